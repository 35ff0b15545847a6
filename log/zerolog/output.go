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
	zl      zerolog.Logger
	level   *plog.LevelVar
	sources line.Sources
	own     line.Keys // the keys that a line has anyway
}

func newOutput(w io.Writer, level plog.Level, c config) *output {
	var lw zerolog.LevelWriter = jsonWriter{line.Writer{W: w}}
	if c.format == Text {
		lw = &textWriter{w: w, color: c.color, buffers: sync.Pool{New: func() any { return new([]byte) }}}
	}
	return &output{
		zl:    zerolog.New(lw),
		level: plog.NewLevelVar(level),
		own:   line.OwnKeys(),
	}
}

// jsonWriter saves zerolog its adapter.
type jsonWriter struct{ line.Writer }

func (w jsonWriter) WriteLevel(_ zerolog.Level, p []byte) (int, error) { return w.Write(p) }

// textWriter writes a line of JSON as a line of text.
type textWriter struct {
	w       io.Writer
	color   bool
	buffers sync.Pool // of *[]byte
}

func (w *textWriter) WriteLevel(_ zerolog.Level, p []byte) (int, error) { return w.Write(p) }

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
