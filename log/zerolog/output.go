package zerolog

import (
	"io"
	"sync"

	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/log/internal/line"
	"github.com/rs/zerolog"
)

// output is what a logger and all its children share.
type output struct {
	zl      zerolog.Logger // cleans what it writes
	clean   zerolog.Logger // writes what is clean
	level   *plog.LevelVar
	sources line.Sources
	clock   line.Clock
}

func newOutput(w io.Writer, level plog.Level, c config) *output {
	var dirty, clean io.Writer = line.Writer{W: w}, w
	if c.format == Text {
		dirty = &textWriter{w: w, color: c.color, buffers: sync.Pool{New: func() any { return new([]byte) }}}
		clean = dirty
	}
	return &output{
		zl:    zerolog.New(levelWriter{dirty}),
		clean: zerolog.New(levelWriter{clean}),
		level: plog.NewLevelVar(level),
	}
}

// levelWriter saves zerolog its adapter.
type levelWriter struct{ io.Writer }

func (w levelWriter) WriteLevel(_ zerolog.Level, p []byte) (int, error) { return w.Write(p) }

// textWriter writes a line of JSON as a line of text.
type textWriter struct {
	w       io.Writer
	color   bool
	buffers sync.Pool // of *[]byte
}

func (w *textWriter) Write(p []byte) (int, error) {
	const keep = 1 << 16 // larger buffers are left to the garbage collector
	buf, _ := w.buffers.Get().(*[]byte)
	*buf = appendText((*buf)[:0], line.Clean(p), w.color)
	_, err := w.w.Write(*buf)
	if cap(*buf) <= keep {
		w.buffers.Put(buf)
	}
	if err != nil {
		return 0, err
	}
	return len(p), nil
}
