package json

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// FuzzWalk walks over any document and compares what it passes with the tokens of encoding/json.
func FuzzWalk(f *testing.F) {
	for _, s := range []string{
		`{}`, ` [ ] `, `{"a":1,"b":[true,null,"x"],"a":{}}`, "\t{\r\n\"\\u0061\\\"}\" : \"]\\\\\" } ", `"\ud800"`, `-0.0e+1`, `[[[{"":[]}]],"\\"]`, `[1,]`,
		`{"a"}`, "\"\u2028\"", `nul`,
		strings.Repeat("[", 100) + strings.Repeat("]", 100),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !utf8.Valid(data) || !json.Valid(data) { // the walk is for nothing else
			return
		}
		var want []string
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.UseNumber()
		for {
			token, err := dec.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%q: %v", data, err)
			}
			want = append(want, asText(token))
		}

		w := walker{data: data}
		got := w.tokens(nil)

		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("tokens of %q (-want +got):\n%s", data, diff)
		}
		if w.space(); w.pos != len(data) {
			t.Errorf("%q: the walk ends at %d of %d", data, w.pos, len(data))
		}
		over := walker{data: data}
		over.space()
		if over.skip(); strings.Trim(string(data[over.pos:]), " \t\r\n") != "" {
			t.Errorf("%q: skip ends at %d of %d", data, over.pos, len(data))
		}
	})
}

// tokens appends the tokens of the value at pos.
func (w *walker) tokens(out []string) []string {
	w.space()
	switch c := w.data[w.pos]; c {
	case '{':
		w.pos++
		out = append(out, "{")
		for w.next('}') {
			_, _, name := w.key()
			out = w.tokens(append(out, "="+name))
		}
		return append(out, "}")
	case '[':
		w.pos++
		out = append(out, "[")
		for w.next(']') {
			out = w.tokens(out)
		}
		return append(out, "]")
	default:
		start := w.pos
		w.skip()
		if c == '"' {
			return append(out, "="+unquote(w.data[start:w.pos]))
		}
		return append(out, string(w.data[start:w.pos]))
	}
}

func asText(token json.Token) string {
	switch token := token.(type) {
	case json.Delim:
		return token.String()
	case string:
		return "=" + token
	case json.Number:
		return token.String()
	case bool:
		if token {
			return "true"
		}
		return "false"
	default:
		return "null"
	}
}
