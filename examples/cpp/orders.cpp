// SPDX-License-Identifier: Apache-2.0
// Orders in C++ (11 and later): handles that close themselves, errors as exceptions, a transaction that rolls back when it is left by one.
//
//     c++ orders.cpp $(pkg-config --cflags --libs rhei) -o orders && ./orders shop.db

#include <rhei/rhei.h>

#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

// A failure is thrown with the library's own sentence.
class Call {
    rhei_error error_ = RHEI_ERROR_INIT;

  public:
    operator rhei_error *() { return &error_; }
    rhei_status check(rhei_status status) const
    {
        if (status != RHEI_OK && status != RHEI_ROW && status != RHEI_DONE)
            throw std::runtime_error(error_.message);
        return status;
    }
};

struct Close {
    void operator()(rhei_db *db) const { rhei_close(&db); }
    void operator()(rhei_rows *rows) const { rhei_rows_close(&rows); }
    void operator()(rhei_session *session) const { rhei_session_close(&session); } // rolls back what is open
};
template <typename T> using Handle = std::unique_ptr<T, Close>;

static Handle<rhei_db> open(const char *path)
{
    Call call;
    rhei_db *db = nullptr;
    call.check(rhei_open(path, nullptr, &db, call));
    return Handle<rhei_db>(db);
}

static void add_orders(rhei_db *db)
{
    Call call;
    rhei_session *opened = nullptr;
    call.check(rhei_session_open(db, &opened, call));
    Handle<rhei_session> session(opened);
    call.check(rhei_session_execute(session.get(), "BEGIN", nullptr, nullptr, call));
    const struct {
        const char *customer;
        double amount;
    } orders[] = {{"Ada", 9.5}, {"Bob", 20}, {"Ada", 0.25}};
    for (const auto &order : orders) {
        const rhei_value values[] = {rhei_text(order.customer), rhei_real(order.amount)};
        const rhei_params params = {values, 2};
        call.check(rhei_session_execute(session.get(), "INSERT INTO orders (customer, amount) VALUES (?, ?)", &params, nullptr, call));
    }
    call.check(rhei_session_execute(session.get(), "COMMIT", nullptr, nullptr, call));
}

static void print_totals(rhei_db *db)
{
    Call call;
    rhei_rows *opened = nullptr;
    call.check(rhei_query(db, "SELECT customer, sum(amount) FROM orders GROUP BY customer ORDER BY customer", nullptr, nullptr, &opened, call));
    Handle<rhei_rows> rows(opened);
    while (call.check(rhei_rows_next(rows.get(), call)) == RHEI_ROW)
        std::cout << rhei_rows_text(rows.get(), 0) << ' ' << rhei_rows_double(rows.get(), 1) << '\n';
}

int main(int argc, char **argv)
{
    try {
        Handle<rhei_db> db = open(argc > 1 ? argv[1] : "shop.db");
        Call call;
        call.check(rhei_execute(db.get(), "CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, customer TEXT, amount REAL)", nullptr, nullptr, call));
        add_orders(db.get());
        print_totals(db.get());
    } catch (const std::exception &failure) {
        std::cerr << failure.what() << '\n';
        return 1;
    }
}
