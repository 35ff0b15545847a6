package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/beatlabs/patron/tests/broker"
)

// against says by its name which broker a test needs; the first that is found counts, after the word Real, then in the whole name, then in that of the package.
func against(o outcome) string {
	words := []struct{ word, what string }{
		{"sqlite", sqlite},
		{"fauxqs", string(broker.Fauxqs)},
		{"sns", string(broker.Fauxqs)},
		{"elasticmq", string(broker.ElasticMQ)},
		{"sqs", string(broker.ElasticMQ)},
		{"rabbitmq", string(broker.RabbitMQ)},
		{"amqp", string(broker.RabbitMQ)},
		{"kafka", string(broker.Kafka)},
		{"redis", string(broker.Redis)},
		{"postgres", string(broker.PostgreSQL)},
		{"mariadb", string(broker.MariaDB)},
		{"mysql", string(broker.MariaDB)},
	}
	_, after, _ := strings.Cut(o.Test, "Real")
	for _, text := range []string{after, o.Test, o.Package} {
		text = strings.ToLower(text)
		for _, w := range words {
			if strings.Contains(text, w.word) {
				return w.what
			}
		}
	}
	return others
}

// What is no broker of ours.
const (
	sqlite = "sqlite"
	others = "others"
)

// conditional reports whether a test was skipped by a conformance suite, since the case does not apply to the broker. The suite's cases are subtests.
func conditional(o outcome) bool {
	return strings.Contains(o.Test, "/") && strings.HasPrefix(o.Reason, "suite.go:")
}

// counts are the tests that ran against one thing.
type counts struct{ passed, failed, skipped, inapplicable int }

// table prints which integration tests ran against what, and which were skipped that should not have been.
func (s *set) table(ctx context.Context, record string) error {
	outcomes, err := readOutcomes(record)
	if err != nil {
		return err
	}
	states, err := s.look(ctx)
	if err != nil {
		return err
	}
	all := make(map[string]*counts)
	var unexpected []outcome
	for _, o := range outcomes {
		what := against(o)
		c := all[what]
		if c == nil {
			c = &counts{}
			all[what] = c
		}
		leftOut := slices.ContainsFunc(states, func(st state) bool { return string(st.kind) == what && st.how == without })
		switch {
		case o.Result == passed:
			c.passed++
		case o.Result == failed:
			c.failed++
		case conditional(o):
			c.inapplicable++
		default:
			c.skipped++
			if !leftOut {
				unexpected = append(unexpected, o)
			}
		}
	}
	rows := [][]string{{"integration tests", "version", "how", "passed", "failed", "skipped", "not applicable"}}
	for _, st := range states {
		how := st.how
		switch {
		case how == without:
			how = "LEFT OUT by " + withoutVariable
		case how == absent:
			how = "NOT STARTED"
		case !st.up:
			how += ", DOES NOT ANSWER"
		}
		rows = append(rows, row(st.kind.Title(), st.version, how, all[string(st.kind)]))
	}
	for _, extra := range []struct{ what, title, how string }{{sqlite, "SQLite", "embedded"}, {others, "others", "-"}} {
		if c := all[extra.what]; c != nil {
			rows = append(rows, row(extra.title, "", extra.how, c))
		}
	}
	if err := columns(s.env.stdout, rows); err != nil {
		return err
	}
	if len(unexpected) > 0 {
		fmt.Fprintf(s.env.stdout, "\nSKIPPED, though nothing was left out for it:\n")
		for _, o := range unexpected {
			fmt.Fprintf(s.env.stdout, "  %s %s: %s\n", strings.TrimPrefix(o.Package, "github.com/beatlabs/patron/"), o.Test, dash(o.Reason))
		}
	}
	return nil
}

func row(title, version, how string, c *counts) []string {
	if c == nil {
		return []string{title, dash(version), how, "no tests", "", "", ""}
	}
	return []string{title, dash(version), how, strconv.Itoa(c.passed), strconv.Itoa(c.failed), strconv.Itoa(c.skipped), strconv.Itoa(c.inapplicable)}
}

// readOutcomes reads what watch has written. A file that is not there is an empty one.
func readOutcomes(path string) ([]outcome, error) {
	file, err := os.Open(path) //nolint:gosec // the caller names it
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var all []outcome
	decoder := json.NewDecoder(bufio.NewReader(file))
	for {
		var o outcome
		if err := decoder.Decode(&o); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, o)
	}
}

// columns prints rows under one another.
func columns(out io.Writer, rows [][]string) error {
	widths := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, cell := range r {
			widths[i] = max(widths[i], len(cell))
		}
	}
	for _, r := range rows {
		var line strings.Builder
		for i, cell := range r {
			line.WriteString(cell + strings.Repeat(" ", widths[i]-len(cell)+2))
		}
		if _, err := fmt.Fprintln(out, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// dash stands for what is not known.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
