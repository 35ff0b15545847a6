package zerolog_test

import (
	"io"
	"testing"

	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/log/internal/backendtest"
	pzerolog "github.com/beatlabs/patron/log/zerolog"
)

func newBackend(w io.Writer, level plog.Level) plog.Backend {
	l, err := pzerolog.New(w, level, nil)
	if err != nil {
		panic(err)
	}
	b, ok := l.Handler().(plog.Backend)
	if !ok {
		panic("the handler of a zerolog logger is no backend")
	}
	return b
}

func TestKeepsTheContractOfABackend(t *testing.T) {
	t.Parallel()
	backendtest.Run(t, newBackend, plog.LevelKey, plog.MessageKey, plog.TimeKey, plog.SourceKey)
}
