package zerolog

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// OptionFunc changes how [New] and [Factory] make a logger.
type OptionFunc func(*config) error

type config struct {
	format Format
	color  bool
}

// WithFormat sets the form of the lines. The default is [JSON].
func WithFormat(f Format) OptionFunc {
	return func(c *config) error {
		if f > Text {
			return fmt.Errorf("log format %d: want json or text", uint8(f))
		}
		c.format = f
		return nil
	}
}

// WithColor says whether [Text] lines are coloured. The default is true if the writer is a terminal, else false. JSON never is.
func WithColor(on bool) OptionFunc {
	return func(c *config) error {
		c.color = on
		return nil
	}
}

func newConfig(w io.Writer, oo []OptionFunc) (config, error) {
	var errs []error
	if w == nil {
		errs = append(errs, errors.New("writer is nil"))
	}
	c := config{color: isTerminal(w)}
	for i, o := range oo {
		if o == nil {
			errs = append(errs, fmt.Errorf("option %d is nil", i))
			continue
		}
		if err := o(&c); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return config{}, fmt.Errorf("log: %w", err)
	}
	return c, nil
}

// isTerminal reports whether w is a character device, which is near enough: nobody reads the colours of /dev/null.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || f == nil {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
