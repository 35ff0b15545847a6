package brokers_test

import (
	"context"
	"database/sql"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/amqp"
	"github.com/beatlabs/patron/async/kafka"
	"github.com/beatlabs/patron/async/kafka/sarama"
	"github.com/beatlabs/patron/async/memory"
	psql "github.com/beatlabs/patron/async/sql"
	"github.com/beatlabs/patron/async/sqs"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the table of the guide anew")

const (
	root  = "../../.."
	guide = root + "/docs/guides/brokers.md"
	begin = "<!-- begin: what the drivers say -->\n"
	end   = "<!-- end: what the drivers say -->\n"
)

// driver is a column of the table.
type driver struct {
	name    string
	dir     string                // from async
	plain   async.ConsumerFactory // without options
	letters async.ConsumerFactory // with dead letters, if they need an option
	key     async.ConsumerFactory // with the option that makes a key a lane, if there is one
	group   async.ConsumerFactory // with the option that orders a key among all consumers, if there is one
}

func must[T any](tb testing.TB) func(v T, err error) T {
	tb.Helper()
	return func(v T, err error) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}

func drivers(t *testing.T) []driver {
	t.Helper()
	cf := must[async.ConsumerFactory](t)
	var (
		brokers = []string{"kafka:9092"}
		topics  = []string{"orders"}
		client  = awssqs.NewFromConfig(aws.Config{Region: "eu-west-1"})
		url     = "amqp://rabbit"
	)
	return []driver{
		{
			name: "Kafka", dir: "kafka", plain: cf(kafka.New(brokers, "billing", topics)),
			key: cf(kafka.New(brokers, "billing", topics, kafka.WithKeyLanes())),
		},
		{
			name: "Kafka (sarama)", dir: "kafka/sarama", plain: cf(sarama.New(brokers, "billing", topics)),
			key: cf(sarama.New(brokers, "billing", topics, sarama.WithKeyLanes())),
		},
		{
			name: "AMQP, classic", dir: "amqp", plain: cf(amqp.New(url, "orders")),
			group: cf(amqp.New(url, "orders", amqp.WithSingleActiveConsumer())),
		},
		{
			name: "AMQP, quorum", dir: "amqp", plain: cf(amqp.New(url, "orders", amqp.WithQuorum())),
			group: cf(amqp.New(url, "orders", amqp.WithQuorum(), amqp.WithSingleActiveConsumer())),
		},
		{
			name: "SQS", dir: "sqs", plain: cf(sqs.New(client, "orders")),
			letters: cf(sqs.New(client, "orders", sqs.WithDeadLetterQueue("orders-dead"))),
		},
		{
			name: "SQS FIFO", dir: "sqs", plain: cf(sqs.New(client, "orders.fifo")),
			letters: cf(sqs.New(client, "orders.fifo", sqs.WithDeadLetterQueue("orders-dead"))),
		},
		{name: "SQL", dir: "sql", plain: must[*psql.Queue](t)(psql.New(new(sql.DB), psql.PostgreSQL, "orders"))},
		{name: "memory", dir: "memory", plain: must[*memory.Broker](t)(memory.New()).Consumer("orders")},
	}
}

// rows are the lines of the table: what is asked, and how a driver answers.
var rows = []struct {
	name   string
	answer func(t *testing.T, d driver) string
}{
	{"the order of a key holds for", func(_ *testing.T, d driver) string {
		where := reach(d.plain.Traits())
		if d.group != nil {
			where += ", by option " + reach(d.group.Traits())
		}
		return where
	}},
	{"what is in order, and waits behind a failure", func(_ *testing.T, d driver) string {
		what := lane(d.plain.Traits())
		if d.key != nil {
			what += ", by option " + lane(d.key.Traits())
		}
		return what
	}},
	{"`WithDelays`, at most", func(_ *testing.T, d driver) string { return span(d.plain.Traits().MaxDelay) }},
	{"… without `Unordered`", func(_ *testing.T, d driver) string {
		_, err := async.New("orders", d.plain, func(context.Context, *async.Message) error { return nil }, async.WithDelays(time.Second))
		return yes(err == nil)
	}},
	{"dead letters with their cause", func(_ *testing.T, d driver) string {
		if !d.plain.Traits().DeadLetters && d.letters != nil && d.letters.Traits().DeadLetters {
			return "by option"
		}
		return yes(d.plain.Traits().DeadLetters)
	}},
	{"… listed, removed, replayed", func(_ *testing.T, d driver) string {
		for _, cf := range []async.ConsumerFactory{d.plain, d.letters} {
			if keeper, ok := cf.(async.DeadLetterKeeper); ok && keeper.DeadLetters() != nil {
				return "yes"
			}
		}
		return "no"
	}},
	{"attempts are exact", func(_ *testing.T, d driver) string { return yes(d.plain.Traits().ExactAttempts) }},
	{"held by a lease of", func(_ *testing.T, d driver) string { return span(d.plain.Traits().Visibility) }},
	{"a receive ends within", func(_ *testing.T, d driver) string {
		if d.plain.Traits().StopWait == 0 {
			return "at once"
		}
		return span(d.plain.Traits().StopWait)
	}},
	{"`WithDueIn`, at most", func(_ *testing.T, d driver) string { return span(d.plain.Traits().MaxPublishDelay) }},
	{"broadcast", func(_ *testing.T, d driver) string { return yes(d.plain.Traits().Broadcasts) }},
	{"lag", func(t *testing.T, d driver) string { t.Helper(); return yes(has(t, d.dir, "Lag")) }},
	{"`PauseSource`", func(t *testing.T, d driver) string { t.Helper(); return yes(has(t, d.dir, "Pause")) }},
	{"`Seek`", func(t *testing.T, d driver) string { t.Helper(); return yes(has(t, d.dir, "Seek")) }},
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

func reach(traits async.Traits) string {
	switch traits.Ordered {
	case async.OrderedGroup:
		return "all consumers"
	case async.OrderedProcess:
		return "one consumer"
	case async.OrderedNone:
	}
	return "none"
}

func lane(traits async.Traits) string {
	switch {
	case traits.Ordered == async.OrderedNone:
		return "nothing"
	case traits.SourceLanes:
		return "a partition"
	default:
		return "a key"
	}
}

func span(d time.Duration) string {
	const day = 24 * time.Hour
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}, {time.Millisecond, "ms"}} {
		if d >= unit.of && d%unit.of == 0 {
			return strconv.FormatInt(int64(d/unit.of), 10) + " " + unit.name
		}
	}
	if d == 0 {
		return "no"
	}
	return d.String()
}

// has reports whether the consumers of a driver have a method. They come from Create, which needs a broker; so the source is asked.
func has(t *testing.T, dir, method string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "async", filepath.FromSlash(dir), "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no source in %s: %v", dir, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(f.Decls, func(d ast.Decl) bool {
			fn, ok := d.(*ast.FuncDecl)
			return ok && fn.Name.Name == method && fn.Recv != nil && receiver(fn) == "consumer"
		}) {
			return true
		}
	}
	return false
}

func receiver(fn *ast.FuncDecl) string {
	if star, ok := fn.Recv.List[0].Type.(*ast.StarExpr); ok {
		if name, ok := star.X.(*ast.Ident); ok {
			return name.Name
		}
	}
	return ""
}

func TestTheTableOfTheGuideIsWhatDriversSay(t *testing.T) {
	t.Parallel()
	all := drivers(t)
	var table strings.Builder
	table.WriteString("| |")
	for _, d := range all {
		table.WriteString(" " + d.name + " |")
	}
	table.WriteString("\n| --- |" + strings.Repeat(" --- |", len(all)) + "\n")
	for _, r := range rows {
		table.WriteString("| " + r.name + " |")
		for _, d := range all {
			table.WriteString(" " + r.answer(t, d) + " |")
		}
		table.WriteString("\n")
	}

	text, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	shown, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s: want the table between the lines %q and %q", guide, begin, end)
	}
	want := "\n" + table.String() + "\n"
	if *update {
		if err := os.WriteFile(guide, []byte(before+begin+want+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("the table of %s is not what the drivers say: go test ./guides/brokers -update writes it anew (-want +got):\n%s", guide, diff)
	}
}
