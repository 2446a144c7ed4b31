# SPDX-License-Identifier: Apache-2.0
"""Orders in Python: a table, a batch of rows, a question, and which engine answered it.

    pip install build-wheel/rhei-*.whl && python3 examples/python/orders.py shop.db
"""

import sys

import rhei

with rhei.connect(sys.argv[1] if len(sys.argv) > 1 else "shop.db") as db:
    db.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, customer TEXT, amount REAL)")
    db.execute_batch("INSERT INTO orders (customer, amount) VALUES (?, ?)", [("Ada", 9.5), ("Bob", 20.0), ("Ada", 0.25)])

    result = db.query("SELECT customer, sum(amount) FROM orders WHERE amount > :least GROUP BY customer ORDER BY customer", {"least": 0.1})
    for customer, total in result:
        print(customer, f"{total:g}")
    print(f"answered by {result.route}: {result.rule}", file=sys.stderr)
