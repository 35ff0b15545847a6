package zerolog

import (
	"strings"
	"testing"
)

// Lines that are not well formed do not occur. If they did, text must not take the process down.
func FuzzAppendTextSurvivesAnything(f *testing.F) {
	for _, s := range []string{
		"", "{", `{"a"`, `{"a":`, `{"msg":"x","a":1}`, `{"a":{"b":[}`, `{"msg":"x","a":"\`, "]]]", `{"a":,}`, `{"lvl":1,"time":2,"src":3,"msg":4,"g":{"a":{}}}`,
		`{"msg":"x","a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":{"i":{"j":1}}}}}}}}}}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := appendText(nil, []byte(s), true); !strings.HasSuffix(string(got), "\n") {
			t.Errorf("appendText(%q): got %q", s, got)
		}
	})
}
