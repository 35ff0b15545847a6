package sql

import (
	"fmt"
	"strconv"
	"strings"
)

// Dialect is the SQL that a database speaks. The zero value is none.
type Dialect uint8

// The dialects.
const (
	PostgreSQL Dialect = iota + 1 // 12 or later
	MySQL                         // 8.0.1 or later; also MariaDB, 10.6 or later
	SQLite                        // 3.35 or later
)

// String returns the name of the database.
func (d Dialect) String() string {
	switch d {
	case PostgreSQL:
		return "PostgreSQL"
	case MySQL:
		return "MySQL"
	case SQLite:
		return "SQLite"
	default:
		return fmt.Sprintf("unknown dialect %d", uint8(d))
	}
}

// system is what spans and metrics call the database.
func (d Dialect) system() string { return strings.ToLower(d.String()) }

func (d Dialect) check() error {
	switch d {
	case PostgreSQL, MySQL, SQLite:
		return nil
	default:
		return fmt.Errorf("%s: want PostgreSQL, MySQL or SQLite", d)
	}
}

// now is the database's clock in microseconds since 1970, the same throughout a statement. Whole numbers mean the same to every database, driver and time zone.
func (d Dialect) now() string {
	switch d {
	case PostgreSQL:
		return "(extract(epoch FROM statement_timestamp()) * 1000000)::bigint"
	case MySQL:
		return "CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)"
	case SQLite:
		return "CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER)"
	default:
		return ""
	}
}

// bind turns each ? of text into what the database calls a parameter.
func (d Dialect) bind(text string) string {
	if d != PostgreSQL {
		return text
	}
	var b strings.Builder
	n := 0
	for {
		before, after, found := strings.Cut(text, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		n++
		b.WriteString("$" + strconv.Itoa(n))
		text = after
	}
}

// by is a table for a SELECT or an UPDATE that is to go by an index: id, or what is behind by_ in its name. MySQL locks the rows that it looks at, not only
// those that fit, and it looks at all of a table that it takes for small, as one is whose queue was empty when its rows were counted. So without being told
// it would wait for whoever has published and not committed.
func (d Dialect) by(table, index string) string {
	switch {
	case d != MySQL:
		return table
	case index == "id":
		return table + " FORCE INDEX (PRIMARY)"
	default:
		return table + " FORCE INDEX (by_" + index + ")"
	}
}

// returning reports whether a DELETE and an UPDATE can say what they touched. MariaDB can with DELETE alone.
func (d Dialect) returning() bool { return d != MySQL }

// skipLocked ends a SELECT of rows that its transaction is going to change, in which what others are changing is passed over. SQLite has one writer.
func (d Dialect) skipLocked() string {
	if d == SQLite {
		return ""
	}
	return " FOR UPDATE SKIP LOCKED"
}

// limit ends a SELECT of so many rows as a parameter says. SQLite parses a statement anew each time whose limit is a parameter alone, because its plan might
// depend on it.
func (d Dialect) limit() string {
	if d == SQLite {
		return "LIMIT (? + 0)"
	}
	return "LIMIT ?"
}
