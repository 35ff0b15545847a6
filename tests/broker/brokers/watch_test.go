package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// aModule is what go test is run on: packages that pass, fail, panic, do not compile, have no tests, and skip.
var aModule = map[string]string{
	"go.mod":          "module example.com/m\n\ngo 1.26\n",
	"asuite/suite.go": "package asuite\n\nimport \"testing\"\n\nfunc Case(t *testing.T) { t.Skip(\"the consumer is no Lagger\") }\n",
	"bad/bad_test.go": `package bad

import (
	"fmt"
	"testing"
)

func TestGood(t *testing.T) { t.Log("unheard") }

func TestOnRealKafka(t *testing.T) {
	t.Log("before")
	t.Run("keeps order", func(t *testing.T) { t.Parallel(); fmt.Println("printed"); t.Error("it did\nnot") })
	t.Run("forgets nothing", func(t *testing.T) { t.Parallel() })
	t.Run("in/two", func(t *testing.T) { t.Parallel(); t.Run("too", func(t *testing.T) { t.Fail() }) })
	t.Run("group", func(t *testing.T) { t.Run("deep", func(t *testing.T) {}) })
}
`,
	"broken/broken_test.go": "package broken\n\nimport \"testing\"\n\nfunc TestX(t *testing.T) { undefined() }\n",
	"good/good_test.go": `package good

import (
	"testing"

	"example.com/m/asuite"
)

func TestOnRealRabbitMQ(t *testing.T) {
	t.Run("lag", asuite.Case)
	t.Run("order", func(t *testing.T) {})
}

func TestOnRealRedis(t *testing.T) { t.Skip("PATRON_TEST_REDIS is not set") }

func TestInRealTime(t *testing.T) {}

func TestReally(t *testing.T) {}
`,
	"none/none.go": "package none\n",
	"panics/panics_test.go": `package panics

import "testing"

func TestOnRealSQLite(t *testing.T) { t.Run("case", func(t *testing.T) { panic("oh") }) }
`,
}

// goTest runs go test in a module.
func goTest(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"test", "-count=1", "-p=1"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "GOWORK=off", "GOFLAGS=")
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("tests that fail passed:\n%s", out)
	}
	return string(out)
}

// varying is what differs between two runs of the same.
var varying = regexp.MustCompile(`\d+\.\d+s|0x[0-9a-f]+|\+0x[0-9a-f]+|goroutine \d+`)

// split takes what a panic prints out of a text.
func split(text string) (rest, stack string) {
	inside := false
	var lines [2]strings.Builder
	for line := range strings.Lines(text) {
		inside = strings.HasPrefix(line, "panic: ") || inside && !strings.HasPrefix(line, "FAIL") && !strings.HasPrefix(line, "    ---")
		if inside {
			lines[1].WriteString(line)
		} else {
			lines[0].WriteString(line)
		}
	}
	return lines[0].String(), lines[1].String()
}

func TestEventsArePrintedAsGoTestPrints(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range aModule {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	record := filepath.Join(dir, "record")
	w := newWorld(nil)
	w.stdin = strings.NewReader(goTest(t, dir, "-json", "./..."))

	got, err := w.do(t, "watch", "-record", record)
	if err != nil {
		t.Fatal(err)
	}

	//nolint:dupword // a package fails after its test
	const want = `?   	example.com/m/asuite	[no test files]
--- FAIL: TestOnRealKafka (…)
    bad_test.go:11: before
    --- FAIL: TestOnRealKafka/keeps_order (…)
printed
        bad_test.go:12: it did
            not
    --- FAIL: TestOnRealKafka/in/two (…)
        --- FAIL: TestOnRealKafka/in/two/too (…)
FAIL
FAIL	example.com/m/bad	…
# example.com/m/broken [example.com/m/broken.test]
broken/broken_test.go:5:28: undefined: undefined
FAIL	example.com/m/broken [build failed]
ok  	example.com/m/good	…
?   	example.com/m/none	[no test files]
--- FAIL: TestOnRealSQLite (…)
    --- FAIL: TestOnRealSQLite/case (…)
FAIL	example.com/m/panics	…
`
	printed, stack := split(varying.ReplaceAllString(got, "…"))
	if printed != want {
		t.Errorf("got\n%s\nwant\n%s", printed, want)
	}
	if !strings.HasPrefix(stack, "panic: oh [recovered, repanicked]") || !strings.Contains(stack, "panics_test.go:5") {
		t.Errorf("got the stack\n%s\nwant that of the panic", stack)
	}
	outcomes, err := readOutcomes(record)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, o := range outcomes {
		lines = append(lines, strings.TrimPrefix(o.Package, "example.com/m/")+" "+o.Test+" "+o.Result+" "+o.Reason)
	}
	const wantOutcomes = `bad TestOnRealKafka/keeps_order fail 
bad TestOnRealKafka/forgets_nothing pass 
bad TestOnRealKafka/group/deep pass 
bad TestOnRealKafka/in/two/too fail 
good TestOnRealRabbitMQ/lag skip suite.go:5: the consumer is no Lagger
good TestOnRealRabbitMQ/order pass 
good TestOnRealRedis skip good_test.go:14: PATRON_TEST_REDIS is not set
panics TestOnRealSQLite/case fail `
	if got := strings.Join(lines, "\n"); got != wantOutcomes {
		t.Errorf("got the integration tests\n%s\nwant\n%s", got, wantOutcomes)
	}
}

func TestAPackageOfWhichNoEndIsHeardHasFailed(t *testing.T) {
	t.Parallel()
	record := filepath.Join(t.TempDir(), "record")
	var out bytes.Buffer
	events := `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestOnRealKafka"}
{"Action":"output","Package":"p","Test":"TestOnRealKafka","Output":"    x_test.go:1: so far\n"}
`

	if err := watch(strings.NewReader(events), &out, record); err != nil {
		t.Fatal(err)
	}

	if want := "    x_test.go:1: so far\nFAIL\tp [did not end]\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	if got, err := readOutcomes(record); err != nil || len(got) != 1 || got[0].Result != failed {
		t.Errorf("got %v, %v, want one that failed", got, err)
	}
}

func TestATestSaysByItsNameAgainstWhatItRuns(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"async/kafka TestConsumerConformanceOnRealKafka/keeps_order": "kafka",
		"async/kafka TestOutageOfARealBroker":                        "kafka",
		"async/kafka/sarama TestOnRealKafka":                         "kafka",
		"async/amqp TestOnARealBroker":                               "rabbitmq",
		"async/sqs TestOnRealElasticMQ":                              "elasticmq",
		"async/sqs TestPublisherOnRealSNS":                           "fauxqs",
		"async/sqs TestOnRealFauxqs":                                 "fauxqs",
		"async/sql TestConformanceOnRealPostgreSQL":                  "postgres",
		"async/sql TestConformanceOnRealMariaDB":                     "mariadb",
		"async/sql TestOnRealDatabases/mysql/order":                  "mariadb",
		"async/sql TestOnRealDatabases/sqlite":                       "sqlite",
		"client/redis TestOnARealServer":                             "redis",
		"tests/chaos TestARealOutage":                                "others",
	} {
		pkg, test, _ := strings.Cut(name, " ")
		if got := against(outcome{Package: pkg, Test: test}); got != want || !integration(test) {
			t.Errorf("%s: got %s, %t, want %s", name, got, integration(test), want)
		}
	}
	for _, test := range []string{"TestConformanceInRealTime", "TestReally", "TestUnreal", "TestX/RealKafka", "TestRealistic"} {
		if integration(test) {
			t.Errorf("%s is taken for an integration test", test)
		}
	}
}

func TestTheTableSaysWhatWasSkipped(t *testing.T) {
	t.Parallel()
	record := filepath.Join(t.TempDir(), "record")
	if err := os.WriteFile(record, []byte(`{"package":"m/async/kafka","test":"TestOnRealKafka/a","result":"pass"}
{"package":"m/async/kafka","test":"TestOnRealKafka/b","result":"fail"}
{"package":"m/async/kafka","test":"TestOnRealKafka/c","result":"skip","reason":"suite.go:89: not this broker"}
{"package":"m/async/redis","test":"TestOnRealRedis","result":"skip","reason":"integration_test.go:9: PATRON_TEST_REDIS is not set"}
{"package":"m/async/amqp","test":"TestOnRealRabbitMQ","result":"skip","reason":"integration_test.go:9: PATRON_TEST_AMQP_URL is not set"}
{"package":"m/async/sql","test":"TestOnRealSQLite","result":"pass"}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(map[string]string{withoutVariable: "redis"})

	got, err := w.do(t, "table", "-state", emptySet(t), "-record", record)

	const want = `integration tests  version  how                              passed    failed  skipped  not applicable
Kafka              -        NOT STARTED                      1         1       0        1
RabbitMQ           -        NOT STARTED                      0         0       1        0
ElasticMQ          -        NOT STARTED                      no tests
fauxqs             -        NOT STARTED                      no tests
Redis              -        LEFT OUT by PATRON_TEST_WITHOUT  0         0       1        0
PostgreSQL         -        NOT STARTED                      no tests
MariaDB            -        NOT STARTED                      no tests
SQLite             -        embedded                         1         0       0        0

SKIPPED, though nothing was left out for it:
  m/async/amqp TestOnRealRabbitMQ: integration_test.go:9: PATRON_TEST_AMQP_URL is not set
`
	if err != nil || got != want {
		t.Errorf("got\n%s%v, want\n%s", got, err, want)
	}
}
