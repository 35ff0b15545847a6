package record

import (
	"strconv"
	"strings"
)

// Position is the place of a record.
type Position struct {
	Topic     string
	Partition int32
	Offset    int64
}

// String returns p as it travels in headers, as in "orders/3/42".
func (p Position) String() string {
	b := make([]byte, 0, len(p.Topic)+24)
	b = append(append(b, p.Topic...), '/')
	b = append(strconv.AppendInt(b, int64(p.Partition), 10), '/')
	return string(strconv.AppendInt(b, p.Offset, 10))
}

// ParsePosition reads what [Position.String] wrote. It reports false for anything else.
func ParsePosition(text string) (Position, bool) {
	at := strings.LastIndexByte(text, '/')
	if at < 0 {
		return Position{}, false
	}
	before := strings.LastIndexByte(text[:at], '/')
	if before < 1 { // the name of a topic is never empty and never has a slash
		return Position{}, false
	}
	partition, err := strconv.ParseInt(text[before+1:at], 10, 32)
	if err != nil || partition < 0 || strings.IndexByte(text[:before], '/') >= 0 {
		return Position{}, false
	}
	offset, err := strconv.ParseInt(text[at+1:], 10, 64)
	if err != nil || offset < 0 {
		return Position{}, false
	}
	return Position{Topic: text[:before], Partition: int32(partition), Offset: offset}, true
}
