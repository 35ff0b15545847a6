package sql

import "fmt"

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
