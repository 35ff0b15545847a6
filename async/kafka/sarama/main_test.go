package sarama_test

import (
	"flag"
	"os"
	"testing"

	"github.com/rcrowley/go-metrics"
	"go.uber.org/goleak"
)

// TestMain starts the one goroutine that the client library needs for the whole process, and never ends, before any test looks: its requests to fetch use the
// default registry of go-metrics, whatever registry it is given.
func TestMain(m *testing.M) {
	metrics.NewMeter().Stop()
	flag.Parse()
	if err := sideBySide(); err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(2)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick"))
}

// sideBySide lets more tests run at a time than there are processors, unless the command line says how many: what they do is wait, for groups above all.
func sideBySide() error {
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == "test.parallel" })
	if said {
		return nil
	}
	return flag.Set("test.parallel", "6")
}
