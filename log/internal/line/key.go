package line

// The fields that package log writes itself.
const (
	LevelKey         = "lvl"
	MessageKey       = "msg"
	TimeKey          = "time"
	SourceKey        = "src"
	CorrelationIDKey = "correlationID"
	TraceIDKey       = "trace_id"
	SpanIDKey        = "span_id"
)

// reservedPrefix goes before the key of an attribute that would pass for a field that package log writes.
const reservedPrefix = "fields."

// Keys is a set of keys that answers in a nanosecond and may err on one side: [Keys.MayHave] is never false for a key in it. The zero value is the
// empty set.
type Keys uint64

// With returns k with key added.
func (k Keys) With(key string) Keys { return k | bit(key) }

// MayHave reports whether key may have been added.
func (k Keys) MayHave(key string) bool { return k&bit(key) != 0 }

// KeysOf returns the set of keys.
func KeysOf(keys ...string) Keys {
	var k Keys
	for _, key := range keys {
		k = k.With(key)
	}
	return k
}

// Own reports whether key is one of the fields that package log writes itself.
func Own(key string) bool {
	switch key {
	case LevelKey, MessageKey, TimeKey, SourceKey, CorrelationIDKey, TraceIDKey, SpanIDKey:
		return true
	default:
		return false
	}
}

// OwnKeys returns the set of keys for which [Own] is true.
func OwnKeys() Keys {
	return KeysOf(LevelKey, MessageKey, TimeKey, SourceKey, CorrelationIDKey, TraceIDKey, SpanIDKey)
}

// bit spreads keys by their length, first, middle and last byte.
func bit(key string) Keys {
	n := len(key)
	if n == 0 {
		return 1
	}
	h := uint32(n)*31 + uint32(key[0])*7 + uint32(key[n/2])*13 + uint32(key[n-1])*3
	return 1 << (h & 63)
}
