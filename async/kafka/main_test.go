package kafka_test

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := sideBySide(); err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(2)
	}
	goleak.VerifyTestMain(m)
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
