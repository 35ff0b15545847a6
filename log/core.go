package log

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/beatlabs/patron/log/internal/line"
)

// core is what a [Leveled] writes through. It is immutable: a child has a core of its own.
type core struct {
	handler slog.Handler
	slog    *slog.Logger // over handler, made once
	gate    *LevelVar    // what is below is not written
	foreign *foreign     // not nil: lines go there, and handler is its slog side
	leveler Leveler      // may be nil: filters behind the gate
	setter  LevelSetter  // may be nil: sets what filters behind the gate
}

func newCore(b Backend) *core {
	return &core{handler: b, slog: slog.New(b), gate: b.LevelVar()}
}

// enabled is all that a disabled line costs: exported functions ask it before they call anything else.
func (c *core) enabled(level Level) bool { return level >= c.gate.Level() }

func (c *core) level() Level {
	if c.leveler != nil {
		return max(c.gate.Level(), c.leveler.Level())
	}
	return c.gate.Level()
}

func (c *core) setLevel(level Level) {
	if c.setter != nil {
		c.setter.SetLevel(level)
		level = min(level, DebugLevel) // it filters by itself
	}
	c.gate.SetLevel(level)
}

// sub returns the core of a child.
func (c *core) sub(fields map[string]any) *core {
	if len(fields) == 0 {
		return c
	}
	if c.foreign != nil && c.foreign.subber != nil {
		if child := c.foreign.subber.Sub(maps.Clone(fields)); child != nil {
			return coreOf(child)
		}
	}
	child := *c
	child.handler = c.handler.WithAttrs(line.FromMap(fields))
	child.slog = slog.New(child.handler)
	if c.foreign != nil {
		child.foreign = c.foreign.withFields()
	}
	return &child
}

// print, printf, fatal, fatalf, panic and panicf are called by exported functions only, and look for the source themselves: it is the caller of that function.
// Each frame between them would cost as much as two fields. print and printf are for a level that is enabled.

// skipped are the frames before the source: runtime.Callers, print, Info.
const skipped = 3

func (c *core) print(ctx context.Context, level Level, args []any) {
	if c.foreign != nil {
		c.foreign.print(ctx, c.handler, level, slices.Clone(args)) // a clone, so that args need not live on the heap for a line that is disabled
		return
	}
	var pcs [1]uintptr
	runtime.Callers(skipped, pcs[:])
	c.emit(ctx, level, sprint(args), pcs[0])
}

func (c *core) printf(ctx context.Context, level Level, format string, args []any) {
	if c.foreign != nil {
		c.foreign.printf(ctx, c.handler, level, format, slices.Clone(args))
		return
	}
	var pcs [1]uintptr
	runtime.Callers(skipped, pcs[:])
	c.emit(ctx, level, sprintf(format, args), pcs[0])
}

func (c *core) fatal(ctx context.Context, args []any) {
	defer os.Exit(1) // whatever the backend does, even if it panics
	switch {
	case !c.enabled(FatalLevel):
	case c.foreign != nil:
		c.foreign.print(ctx, c.handler, FatalLevel, slices.Clone(args))
	default:
		var pcs [1]uintptr
		runtime.Callers(skipped, pcs[:])
		c.emit(ctx, FatalLevel, sprint(args), pcs[0])
	}
}

func (c *core) fatalf(ctx context.Context, format string, args []any) {
	defer os.Exit(1)
	switch {
	case !c.enabled(FatalLevel):
	case c.foreign != nil:
		c.foreign.printf(ctx, c.handler, FatalLevel, format, slices.Clone(args))
	default:
		var pcs [1]uintptr
		runtime.Callers(skipped, pcs[:])
		c.emit(ctx, FatalLevel, sprintf(format, args), pcs[0])
	}
}

func (c *core) panic(ctx context.Context, args []any) {
	msg := sprint(args)
	defer panic(msg) // whatever the backend does, even if it panics with something else
	switch {
	case !c.enabled(PanicLevel):
	case c.foreign != nil:
		c.foreign.print(ctx, c.handler, PanicLevel, slices.Clone(args))
	default:
		var pcs [1]uintptr
		runtime.Callers(skipped, pcs[:])
		c.emit(ctx, PanicLevel, msg, pcs[0])
	}
}

func (c *core) panicf(ctx context.Context, format string, args []any) {
	msg := sprintf(format, args)
	defer panic(msg)
	switch {
	case !c.enabled(PanicLevel):
	case c.foreign != nil:
		c.foreign.printf(ctx, c.handler, PanicLevel, format, slices.Clone(args))
	default:
		var pcs [1]uintptr
		runtime.Callers(skipped, pcs[:])
		c.emit(ctx, PanicLevel, msg, pcs[0])
	}
}

// emit writes one line.
func (c *core) emit(ctx context.Context, level Level, msg string, pc uintptr) {
	// There is nobody to tell that the line could not be written: a handler that can do something about it does so itself.
	_ = c.handler.Handle(ctx, slog.NewRecord(time.Now(), slog.Level(level), msg, pc))
}

func sprint(args []any) string {
	if len(args) == 1 {
		if s, ok := args[0].(string); ok {
			return s
		}
	}
	return fmt.Sprint(args...)
}

func sprintf(format string, args []any) string {
	if len(args) == 0 && strings.IndexByte(format, '%') < 0 {
		return format
	}
	return fmt.Sprintf(format, args...)
}
