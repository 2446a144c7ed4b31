// SPDX-License-Identifier: Apache-2.0

// ADBC from Go in a process of its own: runs what standard input asks for, JSON [[kind, arguments...]...], and prints what came of each as one line of JSON,
// {"rows": [[value...]...]}, {"count": n}, {"names": [...]} or {"code": ..., "state": ..., "error": ...}.
//
//	client DRIVER [KEY=VALUE...]
//
// DRIVER is "flightsql", for the driver in Go, or what the driver manager is to load. Parameters are {"schema": [[name, type]...], "rows": [{name: value}...]}.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/apache/arrow-adbc/go/adbc"
	"github.com/apache/arrow-adbc/go/adbc/driver/flightsql"
	"github.com/apache/arrow-adbc/go/adbc/drivermgr"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

type answer map[string]any

var types = map[string]arrow.DataType{
	"int16": arrow.PrimitiveTypes.Int16, "int64": arrow.PrimitiveTypes.Int64, "double": arrow.PrimitiveTypes.Float64, "bool": arrow.FixedWidthTypes.Boolean,
	"utf8": arrow.BinaryTypes.String, "binary": arrow.BinaryTypes.Binary, "date32": arrow.FixedWidthTypes.Date32,
	"decimal": &arrow.Decimal128Type{Precision: 10, Scale: 2},
}

type table struct {
	Schema [][2]string     `json:"schema"`
	Rows   json.RawMessage `json:"rows"`
}

func (t table) batch() (arrow.RecordBatch, error) {
	fields := []arrow.Field{}
	for _, one := range t.Schema {
		fields = append(fields, arrow.Field{Name: one[0], Type: types[one[1]], Nullable: true})
	}
	batch, _, err := array.RecordFromJSON(memory.DefaultAllocator, arrow.NewSchema(fields, nil), strings.NewReader(string(t.Rows)))
	return batch, err
}

func rowsOf(reader array.RecordReader) (answer, error) {
	defer reader.Release()
	rows := []any{}
	for reader.Next() {
		text, err := reader.RecordBatch().MarshalJSON()
		if err != nil {
			return nil, err
		}
		lines := json.NewDecoder(strings.NewReader(string(text)))
		lines.UseNumber()
		for lines.More() {
			var part []map[string]any
			if err = lines.Decode(&part); err != nil {
				return nil, err
			}
			for _, named := range part {
				row := []any{}
				for _, field := range reader.Schema().Fields() {
					row = append(row, named[field.Name])
				}
				rows = append(rows, row)
			}
		}
	}
	return answer{"rows": rows, "schema": reader.Schema().String()}, reader.Err()
}

type client struct {
	connection adbc.Connection
}

func (c client) prepare(ctx context.Context, sql string, arguments []json.RawMessage) (adbc.Statement, error) {
	statement, err := c.connection.NewStatement()
	if err != nil {
		return nil, err
	}
	if err = statement.SetSqlQuery(sql); err == nil && len(arguments) > 0 {
		var params table
		if err = json.Unmarshal(arguments[0], &params); err != nil {
			log.Fatal(err)
		}
		var batch arrow.RecordBatch
		if batch, err = params.batch(); err != nil {
			log.Fatal(err)
		}
		defer batch.Release()
		if err = statement.Prepare(ctx); err == nil {
			err = statement.Bind(ctx, batch)
		}
	}
	if err != nil {
		statement.Close()
	}
	return statement, err
}

func (c client) query(ctx context.Context, sql string, arguments []json.RawMessage) (answer, error) {
	statement, err := c.prepare(ctx, sql, arguments)
	if err != nil {
		return nil, err
	}
	defer statement.Close()
	reader, _, err := statement.ExecuteQuery(ctx)
	if err != nil {
		return nil, err
	}
	return rowsOf(reader)
}

func (c client) update(ctx context.Context, sql string, arguments []json.RawMessage) (answer, error) {
	statement, err := c.prepare(ctx, sql, arguments)
	if err != nil {
		return nil, err
	}
	defer statement.Close()
	count, err := statement.ExecuteUpdate(ctx)
	return answer{"count": count}, err
}

// The driver manager heeds no context; our driver has an option.
func (c client) impatient(ctx context.Context, sql string) (answer, error) {
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	statement, err := c.prepare(short, sql, nil)
	if err != nil {
		return nil, err
	}
	defer statement.Close()
	if os.Args[1] != "flightsql" {
		if err = statement.SetOption("rhei.timeout_ms", "300"); err != nil {
			return nil, err
		}
	}
	reader, _, err := statement.ExecuteQuery(short)
	if err != nil {
		return nil, err
	}
	return rowsOf(reader)
}

func (c client) parameters(ctx context.Context, sql string) (answer, error) {
	statement, err := c.prepare(ctx, sql, nil)
	if err != nil {
		return nil, err
	}
	defer statement.Close()
	if err = statement.Prepare(ctx); err != nil {
		return nil, err
	}
	schema, err := statement.GetParameterSchema()
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, field := range schema.Fields() {
		names = append(names, field.Name+" "+field.Type.String())
	}
	return answer{"names": names}, nil
}

func (c client) ingest(ctx context.Context, name string, mode string, rows json.RawMessage) (answer, error) {
	var given table
	if err := json.Unmarshal(rows, &given); err != nil {
		log.Fatal(err)
	}
	batch, err := given.batch()
	if err != nil {
		log.Fatal(err)
	}
	defer batch.Release()
	statement, err := c.connection.NewStatement()
	if err != nil {
		return nil, err
	}
	defer statement.Close()
	for key, value := range map[string]string{adbc.OptionKeyIngestTargetTable: name, adbc.OptionKeyIngestMode: "adbc.ingest.mode." + mode} {
		if err = statement.SetOption(key, value); err != nil {
			return nil, err
		}
	}
	if err = statement.Bind(ctx, batch); err != nil {
		return nil, err
	}
	count, err := statement.ExecuteUpdate(ctx)
	return answer{"count": count}, err
}

func (c client) metadata(ctx context.Context, kind, name string) (answer, error) {
	var reader array.RecordReader
	var err error
	switch kind {
	case "objects":
		reader, err = c.connection.GetObjects(ctx, adbc.ObjectDepthAll, nil, nil, &name, nil, nil)
	case "types":
		reader, err = c.connection.GetTableTypes(ctx)
	case "info":
		reader, err = c.connection.GetInfo(ctx, []adbc.InfoCode{adbc.InfoVendorName})
	default:
		schema, failure := c.connection.GetTableSchema(ctx, nil, nil, name)
		if failure != nil {
			return nil, failure
		}
		names := []string{}
		for _, field := range schema.Fields() {
			names = append(names, field.Name+" "+field.Type.String())
		}
		return answer{"names": names}, nil
	}
	if err != nil {
		return nil, err
	}
	return rowsOf(reader)
}

func (c client) end(ctx context.Context, kind string) (answer, error) {
	switch kind {
	case "commit":
		return answer{}, c.connection.Commit(ctx)
	case "rollback":
		return answer{}, c.connection.Rollback(ctx)
	default:
		return answer{}, c.connection.(adbc.PostInitOptions).SetOption(adbc.OptionKeyAutoCommit, kind)
	}
}

func (c client) run(ctx context.Context, kind string, arguments []json.RawMessage) (answer, error) {
	text := func(i int) (value string) {
		if err := json.Unmarshal(arguments[i], &value); err != nil {
			log.Fatal(err)
		}
		return
	}
	switch kind {
	case "query":
		return c.query(ctx, text(0), arguments[1:])
	case "update":
		return c.update(ctx, text(0), arguments[1:])
	case "parameters":
		return c.parameters(ctx, text(0))
	case "ingest":
		return c.ingest(ctx, text(0), text(1), arguments[2])
	case "impatient": // a question that is given up after a moment
		return c.impatient(ctx, text(0))
	case "end":
		return c.end(ctx, text(0))
	default:
		return c.metadata(ctx, kind, text(0))
	}
}

func failure(err error) answer {
	told := answer{"error": err.Error()}
	var known adbc.Error
	if errors.As(err, &known) {
		told["code"], told["state"] = known.Code.String(), strings.TrimRight(string(known.SqlState[:]), "\x00")
	}
	return told
}

func main() {
	log.SetFlags(0)
	var driver adbc.Driver = flightsql.NewDriver(memory.DefaultAllocator)
	options := map[string]string{}
	if os.Args[1] != "flightsql" {
		driver = drivermgr.Driver{}
		options["driver"] = os.Args[1]
	}
	for _, option := range os.Args[2:] {
		key, value, _ := strings.Cut(option, "=")
		options[key] = value
	}
	ctx := context.Background()
	var questions [][]json.RawMessage
	if err := json.NewDecoder(os.Stdin).Decode(&questions); err != nil {
		log.Fatal(err)
	}
	database, err := driver.NewDatabase(options)
	if err != nil {
		log.Fatal(err)
	}
	connection, err := database.Open(ctx)
	if err != nil {
		log.Fatal(err)
	}
	told := []answer{}
	for _, question := range questions {
		var kind string
		if err = json.Unmarshal(question[0], &kind); err != nil {
			log.Fatal(err)
		}
		one, err := client{connection}.run(ctx, kind, question[1:])
		if err != nil {
			one = failure(err)
		}
		told = append(told, one)
	}
	if err = errors.Join(connection.Close(), database.Close()); err != nil {
		log.Fatal(err)
	}
	out, err := json.Marshal(told)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(out))
}
