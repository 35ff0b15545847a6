package log

import (
	"fmt"
	"iter"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"sync/atomic"
)

// Level is the severity of a line, and as a threshold the lowest severity that is written. The numbers are those of log/slog, so that both sides agree and
// other levels of slog fit between. The zero value is [InfoLevel].
type Level int

// The levels in ascending order.
const (
	DebugLevel Level = Level(slog.LevelDebug) // for who looks for a fault
	InfoLevel  Level = Level(slog.LevelInfo)  // states
	WarnLevel  Level = Level(slog.LevelWarn)  // what may become an error
	ErrorLevel Level = Level(slog.LevelError) // what someone must act on
	FatalLevel Level = 12                     // the line before the process ends
	PanicLevel Level = 16                     // the line before a panic
	NoLevel    Level = math.MaxInt32          // as a threshold: nothing is written
)

// Levels yields every named level in ascending order.
func Levels() iter.Seq[Level] {
	return func(yield func(Level) bool) {
		for _, l := range [...]Level{DebugLevel, InfoLevel, WarnLevel, ErrorLevel, FatalLevel, PanicLevel, NoLevel} {
			if !yield(l) {
				return
			}
		}
	}
}

// String returns the name in lower case: debug, info, warn, error, fatal, panic, none. A level between names is written relative to the one below: info+2.
func (l Level) String() string {
	switch {
	case l >= NoLevel:
		return "none"
	case l >= PanicLevel:
		return relative("panic", l-PanicLevel)
	case l >= FatalLevel:
		return relative("fatal", l-FatalLevel)
	case l >= ErrorLevel:
		return relative("error", l-ErrorLevel)
	case l >= WarnLevel:
		return relative("warn", l-WarnLevel)
	case l >= InfoLevel:
		return relative("info", l-InfoLevel)
	default:
		return relative("debug", l-DebugLevel)
	}
}

func relative(name string, distance Level) string {
	switch {
	case distance > 0:
		return name + "+" + strconv.Itoa(int(distance))
	case distance < 0:
		return name + strconv.Itoa(int(distance))
	default:
		return name
	}
}

// ParseLevel returns the level with the given name, in upper or lower case: debug, info, warn, error, fatal, panic or none. The error names s and what is
// allowed. The empty string is not a level.
func ParseLevel(s string) (Level, error) {
	for l := range Levels() {
		if strings.EqualFold(s, l.String()) {
			return l, nil
		}
	}
	return InfoLevel, fmt.Errorf("level %q: want debug, info, warn, error, fatal, panic or none", s)
}

// MarshalText returns the name; see [Level.String].
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText is [ParseLevel]. On an error l stays as it is.
func (l *Level) UnmarshalText(text []byte) error {
	parsed, err := ParseLevel(string(text))
	if err != nil {
		return err
	}
	*l = parsed
	return nil
}

// LevelVar is a threshold that may be changed while loggers use it: one variable for a service, its [Logger] and its slog side. The zero value is
// [InfoLevel]. It may be used concurrently and must not be copied.
type LevelVar struct{ v atomic.Int64 }

// NewLevelVar returns a variable that is set to level.
func NewLevelVar(level Level) *LevelVar {
	v := new(LevelVar)
	v.SetLevel(level)
	return v
}

// Level returns the lowest level that is written.
func (v *LevelVar) Level() Level { return Level(v.v.Load()) }

// SetLevel makes level the lowest that is written. [NoLevel] silences everything; Fatal still exits and Panic still panics.
func (v *LevelVar) SetLevel(level Level) { v.v.Store(int64(level)) }

// String returns the name of the level.
func (v *LevelVar) String() string { return v.Level().String() }
