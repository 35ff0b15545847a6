package zerolog

import (
	"io"

	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/log/internal/line"
)

// New returns a logger that writes lines of at least level to w, each with the given fields. Every line is one Write, from whatever goroutine writes it: w
// must be safe for concurrent use, as os.Stderr and other files are. The level may be changed later with SetLevel; fields may be nil, and the map is not kept.
// The error joins what is wrong with the arguments.
func New(w io.Writer, level plog.Level, fields map[string]any, oo ...OptionFunc) (*plog.Leveled, error) {
	c, err := newConfig(w, oo)
	if err != nil {
		return nil, err
	}
	return newLogger(w, level, fields, c), nil
}

// Factory returns a function for [plog.Setup] that calls [New] with these arguments, which are checked here.
func Factory(w io.Writer, level plog.Level, oo ...OptionFunc) (plog.FactoryFunc, error) {
	c, err := newConfig(w, oo)
	if err != nil {
		return nil, err
	}
	return func(fields map[string]any) plog.Logger { return newLogger(w, level, fields, c) }, nil
}

func newLogger(w io.Writer, level plog.Level, fields map[string]any, c config) *plog.Leveled {
	return plog.New(newHandler(newOutput(w, level, c)).withAttrs(line.FromMap(fields)))
}
