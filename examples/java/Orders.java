// SPDX-License-Identifier: Apache-2.0

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;

/**
 * Orders in Java: JDBC to a server, by Arrow's driver (org.apache.arrow:flight-sql-jdbc-driver), on Java 11 or later.
 *
 * <pre>
 * rh exec --db shop.db "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, amount REAL)"
 * rh serve --db shop.db --flight 127.0.0.1:31337 --no-auth &
 * java --add-opens=java.base/java.nio=ALL-UNNAMED -cp flight-sql-jdbc-driver-18.3.0.jar Orders.java \
 *     "jdbc:arrow-flight-sql://127.0.0.1:31337?useEncryption=false"
 * </pre>
 */
public class Orders {
    private static void add(Connection connection) throws SQLException {
        String insert = "INSERT INTO orders (customer, amount) VALUES (?, ?)";
        try (PreparedStatement statement = connection.prepareStatement(insert)) {
            Object[][] orders = {{"Ada", 9.5}, {"Bob", 20.0}, {"Ada", 0.25}};
            for (Object[] order : orders) {
                statement.setString(1, (String) order[0]);
                statement.setDouble(2, (Double) order[1]);
                statement.addBatch();
            }
            statement.executeBatch(); // all or none
        }
    }

    private static void printTotals(Connection connection) throws SQLException {
        String totals = "SELECT customer, sum(amount) FROM orders WHERE amount > ? GROUP BY customer ORDER BY customer";
        try (PreparedStatement statement = connection.prepareStatement(totals)) {
            statement.setDouble(1, 0.1);
            try (ResultSet rows = statement.executeQuery()) {
                while (rows.next()) {
                    System.out.println(rows.getString(1) + " " + rows.getDouble(2));
                }
            }
        }
    }

    public static void main(String[] arguments) throws SQLException {
        try (Connection connection = DriverManager.getConnection(arguments[0])) {
            add(connection);
            printTotals(connection);
        }
    }
}
