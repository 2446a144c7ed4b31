// SPDX-License-Identifier: Apache-2.0

// Orders in Go: the database in this process, by ADBC's driver manager. Rows go in and out as Arrow.
//
//	cd examples/go
//	go run . shop.db                                       # with the driver installed: it is found by its manifest
//	go run . shop.db ../../build/src/adbc/librhei_adbc.so  # or by its path
//
// The first run compiles for some minutes: the driver manager is C++.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/apache/arrow-adbc/go/adbc"
	"github.com/apache/arrow-adbc/go/adbc/drivermgr"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

func orders() arrow.RecordBatch {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "customer", Type: arrow.BinaryTypes.String},
		{Name: "amount", Type: arrow.PrimitiveTypes.Float64},
	}, nil)
	rows := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer rows.Release()
	rows.Field(0).(*array.StringBuilder).AppendValues([]string{"Ada", "Bob", "Ada"}, nil)
	rows.Field(1).(*array.Float64Builder).AppendValues([]float64{9.5, 20, 0.25}, nil)
	return rows.NewRecordBatch()
}

// ingest writes a batch into the table, which it makes if there is none.
func ingest(ctx context.Context, connection adbc.Connection, table string, batch arrow.RecordBatch) error {
	statement, err := connection.NewStatement()
	if err != nil {
		return err
	}
	defer statement.Close()
	if err = statement.SetOption(adbc.OptionKeyIngestTargetTable, table); err != nil {
		return err
	}
	if err = statement.SetOption(adbc.OptionKeyIngestMode, adbc.OptionValueIngestModeCreateAppend); err != nil {
		return err
	}
	if err = statement.Bind(ctx, batch); err != nil {
		return err
	}
	_, err = statement.ExecuteUpdate(ctx)
	return err
}

func printTotals(ctx context.Context, connection adbc.Connection) error {
	statement, err := connection.NewStatement()
	if err != nil {
		return err
	}
	defer statement.Close()
	if err = statement.SetSqlQuery("SELECT customer, sum(amount) FROM orders GROUP BY customer ORDER BY customer"); err != nil {
		return err
	}
	reader, _, err := statement.ExecuteQuery(ctx)
	if err != nil {
		return err
	}
	defer reader.Release()
	for reader.Next() {
		customers, totals := reader.RecordBatch().Column(0).(*array.String), reader.RecordBatch().Column(1).(*array.Float64)
		for i := 0; i < customers.Len(); i++ {
			fmt.Printf("%s %g\n", customers.Value(i), totals.Value(i))
		}
	}
	return reader.Err()
}

func run(ctx context.Context, path, driver string) error {
	database, err := drivermgr.Driver{}.NewDatabase(map[string]string{"driver": driver, adbc.OptionKeyURI: path})
	if err != nil {
		return err
	}
	defer database.Close()
	connection, err := database.Open(ctx)
	if err != nil {
		return err
	}
	defer connection.Close()
	batch := orders()
	defer batch.Release()
	if err = ingest(ctx, connection, "orders", batch); err != nil {
		return err
	}
	return printTotals(ctx, connection)
}

func main() {
	path, driver := "shop.db", "rhei"
	if len(os.Args) > 1 {
		path = os.Args[1]
	}
	if len(os.Args) > 2 {
		driver = os.Args[2]
	}
	if err := run(context.Background(), path, driver); err != nil {
		log.Fatal(err)
	}
}
