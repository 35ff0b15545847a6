package inbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	psql "github.com/beatlabs/patron/async/sql"
)

// SchemaVersion is the version of the schema that this package wants.
const SchemaVersion = 1

// Errors of a schema that is not the one that is wanted, for errors.Is.
var (
	ErrNoSchema    = errors.New("the schema is older than this program wants: apply Migrate or Schema")
	ErrNewerSchema = errors.New("the schema is newer than this program knows")
)

// statements are what is said to the database.
type statements struct {
	create  []string // idempotent
	version string
	insert  string // consumer, ID, time: one row is affected if it was not there
	clean   string // consumer, time: forgets cleanStep at most
	lock    string // keeps two who migrate apart; "": there is no need
}

var tableName = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]{0,39}\.)?[A-Za-z_][A-Za-z0-9_]{0,39}$`)

// newStatements returns those for a table. The ID is bytes, because texts are compared by rules that make one of two that differ: case, accents, trailing
// spaces. An ID that is taken for another one would be a message that is lost.
func newStatements(d psql.Dialect, table string) (statements, error) {
	if !tableName.MatchString(table) {
		return statements{}, fmt.Errorf("table %q: want letters, digits and underscores, 40 at most, and perhaps a schema and a dot before them", table)
	}
	bare := table[strings.IndexByte(table, '.')+1:]
	if d == psql.SQLite && bare != table {
		return statements{}, fmt.Errorf("table %q: SQLite has no schemas", table)
	}
	s := statements{version: "SELECT MAX(version) FROM " + table + "_version"}
	var create, index string
	switch d {
	case psql.PostgreSQL:
		create = "CREATE TABLE IF NOT EXISTS %s (consumer TEXT NOT NULL, id BYTEA NOT NULL, done_at BIGINT NOT NULL, PRIMARY KEY (consumer, id))"
		index = "CREATE INDEX IF NOT EXISTS %s_done_at ON %s (consumer, done_at)"
		s.insert = "INSERT INTO " + table + " (consumer, id, done_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
		s.clean = "DELETE FROM " + table + " WHERE consumer = $1 AND id IN (SELECT id FROM " + table +
			" WHERE consumer = $1 AND done_at < $2 ORDER BY done_at LIMIT " + strconv.Itoa(cleanStep) + ")"
		s.lock = "SELECT pg_advisory_xact_lock(hashtext('patron inbox " + table + "'))"
	case psql.SQLite:
		create = "CREATE TABLE IF NOT EXISTS %s (consumer TEXT NOT NULL, id BLOB NOT NULL, done_at INTEGER NOT NULL, PRIMARY KEY (consumer, id)) WITHOUT ROWID"
		index = "CREATE INDEX IF NOT EXISTS %s_done_at ON %s (consumer, done_at)"
		s.insert = "INSERT INTO " + table + " (consumer, id, done_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING"
		s.clean = "DELETE FROM " + table + " WHERE consumer = ?1 AND id IN (SELECT id FROM " + table +
			" WHERE consumer = ?1 AND done_at < ?2 ORDER BY done_at LIMIT " + strconv.Itoa(cleanStep) + ")"
	case psql.MySQL:
		create = "CREATE TABLE IF NOT EXISTS %s (consumer VARBINARY(200) NOT NULL, id VARBINARY(255) NOT NULL, done_at BIGINT NOT NULL, " +
			"seen BIGINT NOT NULL, PRIMARY KEY (consumer, id), INDEX %s_done_at (consumer, done_at)) ENGINE=InnoDB"
		// A row that is there changes, so two rows are affected, whatever clientFoundRows says; INSERT IGNORE would cut an ID that is too long.
		s.insert = "INSERT INTO " + table + " (consumer, id, done_at, seen) VALUES (?, ?, ?, 1) ON DUPLICATE KEY UPDATE seen = seen + 1"
		s.clean = "DELETE FROM " + table + " WHERE consumer = ? AND done_at < ? ORDER BY done_at LIMIT " + strconv.Itoa(cleanStep)
	default:
		return statements{}, fmt.Errorf("dialect %v: want PostgreSQL, MySQL or SQLite", d)
	}
	if index == "" {
		s.create = []string{fmt.Sprintf(create, table, bare)}
	} else {
		s.create = []string{fmt.Sprintf(create, table), fmt.Sprintf(index, bare, table)}
	}
	version := strconv.Itoa(SchemaVersion)
	s.create = append(s.create,
		"CREATE TABLE IF NOT EXISTS "+table+"_version (version INTEGER NOT NULL PRIMARY KEY)",
		"INSERT INTO "+table+"_version (version) SELECT "+version+" FROM (SELECT 1 AS one) AS once WHERE NOT EXISTS (SELECT 1 FROM "+table+
			"_version WHERE version >= "+version+")")
	return s, nil
}

// Schema returns the statements that make the schema, each ended by a semicolon, for whoever keeps migrations in a tool of his own. They may be applied again.
func (in *Inbox) Schema() string { return strings.Join(in.statements.create, ";\n") + ";\n" }

// Migrate makes the schema, or leaves it as it is if it is the one of [SchemaVersion]. Several processes may do it at the same time. A schema that is newer is
// [ErrNewerSchema].
func (in *Inbox) Migrate(ctx context.Context, db *sql.DB) error {
	if err := in.CheckSchema(ctx, db); err == nil || errors.Is(err, ErrNewerSchema) {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("inbox: migrate %s: %w", in.config.table, err)
	}
	statements := in.statements.create
	if in.statements.lock != "" {
		statements = append([]string{in.statements.lock}, statements...)
	}
	for _, s := range statements {
		if _, err := tx.ExecContext(ctx, s); err != nil {
			err = errors.Join(err, tx.Rollback())
			if in.CheckSchema(ctx, db) == nil {
				return nil // somebody else was faster
			}
			return fmt.Errorf("inbox: migrate %s: %w", in.config.table, err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("inbox: migrate %s: %w", in.config.table, err)
	}
	return nil
}

// CheckSchema returns nil if the schema is the one of [SchemaVersion], else an error that wraps [ErrNoSchema] or [ErrNewerSchema]. A database that cannot be
// asked counts as one without the schema; the error says why.
func (in *Inbox) CheckSchema(ctx context.Context, db *sql.DB) error {
	var version sql.NullInt64
	err := db.QueryRowContext(ctx, in.statements.version).Scan(&version)
	switch {
	case err != nil:
		return fmt.Errorf("inbox: table %s: %w: %w", in.config.table, ErrNoSchema, err)
	case version.Int64 < SchemaVersion:
		return fmt.Errorf("inbox: table %s, version %d: %w", in.config.table, version.Int64, ErrNoSchema)
	case version.Int64 > SchemaVersion:
		return fmt.Errorf("inbox: table %s, version %d, not %d: %w", in.config.table, version.Int64, SchemaVersion, ErrNewerSchema)
	}
	return nil
}
