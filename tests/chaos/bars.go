package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/beatlabs/patron/tests/broker"
)

// bars are the runs of a command without arguments: what the drivers are held to.
func bars() [][]string {
	fast := []string{"-workers", "64", "-concurrency", "16", "-held", "512", "-rate", "4000", "-messages", "200000", "-leaves", "0"}
	with := func(args []string, more ...string) []string { return append(append([]string(nil), args...), more...) }
	var runs [][]string
	for _, name := range []string{"rabbitmq", "kafka", "kafka3"} {
		runs = append(runs, []string{"-broker", name, "-workers", workersOf(name)})
	}
	for _, name := range []string{"rabbitmq", "kafka"} {
		runs = append(runs,
			with(fast, "-broker", name, "-broker-kills", "5", "-consumer-kills", "5", "-duplicates", "0.01"),
			with(fast, "-broker", name, "-broker-kills", "0", "-consumer-kills", "0", "-duplicates", "0", "-least", "3800"))
	}
	return append(runs,
		[]string{"-broker", "rabbitmq", "-wrong", wrongSettle, "-messages", "5000", "-broker-kills", "0", "-consumer-kills", "3", "-leaves", "0", "-patience", "15s"},
		[]string{"-broker", "kafka3", "-wrong", wrongAcks, "-messages", "5000", "-broker-kills", "2", "-consumer-kills", "0", "-leaves", "0", "-patience", "30s"},
	)
}

// workersOf says how many messages a producer has on the wire. The idempotent one of Kafka finds out by itself what arrived before a kill; AMQP has nothing of
// the kind, so that each can come twice.
func workersOf(name string) string {
	if systems()[name].kind == broker.Kafka {
		return "32"
	}
	return "2"
}

// all makes every run, one after another, and a table of them.
func all(ctx context.Context, output io.Writer) error {
	type row struct {
		setting setting
		verdict verdict
		took    time.Duration
		err     error
	}
	var rows []row
	bad := 0
	for _, args := range bars() {
		s, err := parseSetting(args, output)
		if err != nil {
			return err
		}
		began := time.Now()
		v, err := judge(ctx, s, output)
		rows = append(rows, row{s, v, time.Since(began), err})
		if err != nil {
			bad++
			_, _ = fmt.Fprintln(output, "chaos:", err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	table := tabwriter.NewWriter(output, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "\nbroker\trun\tkills\tconfirmed\tlost\tout of order\ttwice\thandled/s\ttook\t")
	for _, r := range rows {
		verdict := "ok"
		if r.err != nil {
			verdict = "FAIL"
		}
		v := r.verdict
		_, _ = fmt.Fprintf(table, "%s\t%s\t%d + %d\t%d\t%d\t%d\t%.2f %%\t%.0f\t%v\t%s\n", r.setting.broker, r.setting.kind(), r.setting.brokerKills,
			r.setting.consumerKills, v.Confirmed, v.Lost, v.Disorder, 100*v.share(), v.rate(), r.took.Round(time.Second), verdict)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d runs failed", bad, len(bars()))
	}
	return ctx.Err()
}

// kind says what is special about a run.
func (s setting) kind() string {
	switch {
	case s.wrong != "":
		return "wrong build " + s.wrong
	case s.rate > 0:
		return fmt.Sprintf("%d/s offered", s.rate)
	default:
		return "each when the one before is confirmed"
	}
}
