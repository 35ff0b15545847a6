package log

import "log/slog"

// Logger is a leveled logger. The arguments are handled as by fmt.Sprint, or by fmt.Sprintf where the name ends with f. All methods may be called
// concurrently.
//
// Error and Errorf, Warn and Warnf, Info and Infof, Debug and Debugf write a line of that level, if the level is enabled.
//
// Fatal and Fatalf end the process with status 1, Panic and Panicf panic with the message. Users of this package may rely on that even if an implementation
// forgets it.
//
// An implementation may offer more: see [Subber], [Leveler], [LevelSetter] and [SlogHandler]. What it does not offer, this package does for it.
type Logger interface {
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Panic(args ...any)
	Panicf(format string, args ...any)
	Error(args ...any)
	Errorf(format string, args ...any)
	Warn(args ...any)
	Warnf(format string, args ...any)
	Info(args ...any)
	Infof(format string, args ...any)
	Debug(args ...any)
	Debugf(format string, args ...any)
}

// FactoryFunc makes a Logger whose lines carry the given fields. It must not keep the map.
type FactoryFunc func(map[string]any) Logger

// Subber is a [Logger] that makes children.
type Subber interface {
	// Sub returns a child whose lines carry fields as well; a field of the child replaces one of the same key. It must not keep or change the map.
	Sub(fields map[string]any) Logger
}

// Leveler is a [Logger] that knows its level.
type Leveler interface {
	// Level returns the lowest level that is written.
	Level() Level
}

// LevelSetter is a [Logger] whose level can be changed while it is used.
type LevelSetter interface {
	// SetLevel makes level the lowest that is written, from now on, also for parents and children.
	SetLevel(level Level)
}

// SlogHandler is a [Logger] whose lines can also be written through log/slog.
type SlogHandler interface {
	// Handler returns the handler, which is the same thing as the logger: it writes to the same place, with the same fields and level.
	Handler() slog.Handler
}
