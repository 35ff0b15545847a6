package sqs

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/beatlabs/patron/async"
)

// The groups of messages whose key is no valid group, and of those that have no key: each a group of its own.
const (
	hashedGroup  = "patron.hash."
	keylessGroup = "patron.keyless."
)

// entry is a message as it is sent.
type entry struct {
	body         string
	attributes   []attribute
	group, dedup string // of FIFO queues and topics
	trace        string // AWSTraceHeader; "": none
	delay        int32  // seconds
	size         int
}

// encode makes an entry of m, which it does not keep. The group of a FIFO queue carries the key, unless that is to be kept beside it.
func encode(m *async.Message, fifo, keepKey bool) (entry, error) {
	headers := make([]attribute, 0, len(m.Headers)+6)
	for _, h := range m.Headers {
		if !isField(h.Key) {
			headers = append(headers, attribute{name: h.Key, value: h.Value})
		}
	}
	add := func(name, value string) { headers = append(headers, attribute{name: name, value: value}) }
	var e entry
	body, encoding := encodeBody(m.Data)
	if encoding != "" {
		add(HeaderEncoding, encoding)
	}
	if m.ID != "" {
		add(async.HeaderID, m.ID)
	}
	for _, t := range [...]struct {
		name string
		at   time.Time
	}{{async.HeaderTime, m.Time}, {async.HeaderDue, m.Due}, {async.HeaderExpires, m.Expires}} {
		if !t.at.IsZero() {
			add(t.name, t.at.Format(time.RFC3339Nano))
		}
	}
	e.body = body
	if fifo {
		e.group, e.dedup = groupOf(m), dedupOf(m)
	}
	if len(m.Key) > 0 && (keepKey || e.group != string(m.Key)) {
		add(async.HeaderKey, string(m.Key))
	}
	e.attributes = fit(headers)
	e.size = len(e.body)
	for i := range e.attributes {
		e.size += e.attributes[i].size()
	}
	if e.size > mostBytes {
		return e, refuse("message %q: %d bytes with its attributes, as SQS counts them: want at most %d", m.ID, e.size, mostBytes)
	}
	return e, nil
}

// isField reports whether a header would be taken for a field of the message.
func isField(name string) bool {
	switch name {
	case async.HeaderID, async.HeaderTime, async.HeaderDue, async.HeaderExpires, async.HeaderKey, HeaderEncoding, HeaderPacked:
		return true
	default:
		return false
	}
}

// encodeBody returns what SQS takes for data, and how it is to be read.
func encodeBody(data []byte) (body, encoding string) {
	if len(data) == 0 {
		return EncodingEmpty, EncodingEmpty
	}
	if body = string(data); validText(body) {
		return body, ""
	}
	return base64.StdEncoding.EncodeToString(data), EncodingBase64
}

// decodeBody is the reverse of encodeBody. What is not what it says stays as it is.
func decodeBody(body, encoding string) []byte {
	switch encoding {
	case EncodingEmpty:
		if body == EncodingEmpty {
			return nil
		}
	case EncodingBase64:
		if data, err := base64.StdEncoding.DecodeString(body); err == nil {
			return data
		}
	}
	return []byte(body)
}

// groupOf returns the message group of m: its key, if SQS takes that.
func groupOf(m *async.Message) string {
	key := string(m.Key)
	switch {
	case key == "":
		return keylessGroup + digest(m.ID)
	case validID(key) && !strings.HasPrefix(key, hashedGroup) && !strings.HasPrefix(key, keylessGroup):
		return key
	default:
		return hashedGroup + digest(key)
	}
}

// dedupOf returns the deduplication ID of m: its ID. A message that is replayed is another one than when it was sent first, or SQS would confirm it and drop
// it.
func dedupOf(m *async.Message) string {
	history := m.Headers.Get(async.HeaderDeadHistory)
	switch {
	case history != "":
		return "patron.replay." + digest(m.ID+"\x00"+history)
	case validID(m.ID):
		return m.ID
	default:
		return digest(m.ID)
	}
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// validID reports whether SQS takes text as a group or a deduplication ID.
func validID(text string) bool {
	const most = 128
	if text == "" || len(text) > most {
		return false
	}
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

// delayOf returns how long SQS is to hold m back, never too short.
func delayOf(m *async.Message, now time.Time) int32 {
	if m.Due.IsZero() {
		return 0
	}
	return seconds(min(m.Due.Sub(now), mostDelay))
}

// seconds rounds d up to whole seconds, and what is negative to 0.
func seconds(d time.Duration) int32 {
	return int32((max(d, 0) + time.Second - 1) / time.Second)
}

// xray returns the trace header of AWS for a traceparent, or "" if it is none.
func xray(traceparent string) string {
	part := strings.Split(traceparent, "-")
	if len(part) < 4 || len(part[1]) != 32 || len(part[2]) != 16 || len(part[3]) != 2 {
		return ""
	}
	sampled := "0"
	if flags, err := hex.DecodeString(part[3]); err != nil {
		return ""
	} else if flags[0]&1 == 1 {
		sampled = "1"
	}
	return fmt.Sprintf("Root=1-%s-%s;Parent=%s;Sampled=%s", part[1][:8], part[1][8:], part[2], sampled)
}

// traceparent returns the traceparent for a trace header of AWS, or "" if that names no trace and span.
func traceparent(xray string) string {
	var root, parent string
	flags := "00"
	for part := range strings.SplitSeq(xray, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Root":
			root = value
		case "Parent":
			parent = value
		case "Sampled":
			if value == "1" {
				flags = "01"
			}
		}
	}
	part := strings.Split(root, "-")
	if len(part) != 3 || part[0] != "1" || len(part[1]) != 8 || len(part[2]) != 24 || len(parent) != 16 {
		return ""
	}
	id := part[1] + part[2]
	if _, err := hex.DecodeString(id + parent); err != nil {
		return ""
	}
	return strings.ToLower("00-" + id + "-" + parent + "-" + flags)
}
