package log

import (
	"context"
	"errors"
	"maps"
	"os"
	"sync/atomic"
)

// process is the logger of the process: what is used where the context has none. It is the one variable of this package, and whoever has a
// context does not depend on it; nil stands for the built-in one
// that nobody has needed yet.
var process atomic.Pointer[core]

func processCore() *core {
	if c := process.Load(); c != nil {
		return c
	}
	return installBuiltIn()
}

// installBuiltIn makes a line before the set-up go to standard error.
func installBuiltIn() *core {
	process.CompareAndSwap(nil, newCore(JSON(os.Stderr, nil)))
	if c := process.Load(); c != nil {
		return c
	}
	return installBuiltIn() // SetDefault(nil) came between
}

// SetDefault makes l the logger of the process: what the functions of this package use, and [FromContext] and [Slog] for a context without a logger. It
// replaces the earlier one at once and may be called concurrently. A nil l goes back to the built-in one, which writes JSON at info and above to standard
// error.
func SetDefault(l Logger) {
	if l == nil {
		process.Store(nil)
		return
	}
	if c := coreOf(l); c != nil {
		process.Store(c)
	}
}

// Default returns the logger of the process.
func Default() *Leveled { return &Leveled{c: processCore()} }

// Setup makes the Logger that factory returns for fields the one of the process; see [SetDefault]. A later call replaces the earlier one. fields may be nil;
// the factory gets a copy. A service does this by itself: Setup is for programs without one.
func Setup(factory FactoryFunc, fields map[string]any) error {
	if factory == nil {
		return errors.New("factory is nil: want a function that makes a Logger")
	}
	own := make(map[string]any, len(fields))
	maps.Copy(own, fields)
	l := factory(own)
	if l == nil {
		return errors.New("factory returned a nil Logger")
	}
	SetDefault(l)
	return nil
}

// Sub returns a child of the logger of the process whose lines carry fields as well; see [Leveled.Sub].
func Sub(fields map[string]any) Logger { return &Leveled{c: processCore().sub(fields)} }

// Debug writes a line at debug level through the logger of the process.
func Debug(args ...any) {
	if c := processCore(); c.enabled(DebugLevel) {
		c.print(context.Background(), DebugLevel, args)
	}
}

// Debugf writes a line at debug level through the logger of the process.
func Debugf(format string, args ...any) {
	if c := processCore(); c.enabled(DebugLevel) {
		c.printf(context.Background(), DebugLevel, format, args)
	}
}

// Info writes a line at info level through the logger of the process.
func Info(args ...any) {
	if c := processCore(); c.enabled(InfoLevel) {
		c.print(context.Background(), InfoLevel, args)
	}
}

// Infof writes a line at info level through the logger of the process.
func Infof(format string, args ...any) {
	if c := processCore(); c.enabled(InfoLevel) {
		c.printf(context.Background(), InfoLevel, format, args)
	}
}

// Warn writes a line at warn level through the logger of the process.
func Warn(args ...any) {
	if c := processCore(); c.enabled(WarnLevel) {
		c.print(context.Background(), WarnLevel, args)
	}
}

// Warnf writes a line at warn level through the logger of the process.
func Warnf(format string, args ...any) {
	if c := processCore(); c.enabled(WarnLevel) {
		c.printf(context.Background(), WarnLevel, format, args)
	}
}

// Error writes a line at error level through the logger of the process.
func Error(args ...any) {
	if c := processCore(); c.enabled(ErrorLevel) {
		c.print(context.Background(), ErrorLevel, args)
	}
}

// Errorf writes a line at error level through the logger of the process.
func Errorf(format string, args ...any) {
	if c := processCore(); c.enabled(ErrorLevel) {
		c.printf(context.Background(), ErrorLevel, format, args)
	}
}

// Panic writes a line at panic level through the logger of the process, if that is enabled, and panics with the message in any case.
func Panic(args ...any) { processCore().panic(context.Background(), args) }

// Panicf writes a line at panic level through the logger of the process, if that is enabled, and panics with the message in any case.
func Panicf(format string, args ...any) {
	processCore().panicf(context.Background(), format, args)
}

// Fatal writes a line at fatal level through the logger of the process, if that is enabled, and ends the process with status 1 in any case.
func Fatal(args ...any) { processCore().fatal(context.Background(), args) }

// Fatalf writes a line at fatal level through the logger of the process, if that is enabled, and ends the process with status 1 in any case.
func Fatalf(format string, args ...any) {
	processCore().fatalf(context.Background(), format, args)
}
