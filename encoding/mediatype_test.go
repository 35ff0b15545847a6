package encoding

import (
	"mime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMediaTypesAreParsedAsTheGrammarSays(t *testing.T) {
	t.Parallel()
	type parsed struct{ Type, Charset string }
	for header, want := range map[string]*parsed{
		"application/json":                                {"application/json", ""},
		" \tapplication/json \t":                          {"application/json", ""},
		"application/json;charset=utf-8":                  {"application/json", "utf-8"},
		"application/json ; charset=utf-8":                {"application/json", "utf-8"},
		"Application/JSON; Charset=UTF-8":                 {"Application/JSON", "UTF-8"},
		`application/json; charset="utf-8"`:               {"application/json", "utf-8"},
		`application/json; charset="ut\f-8"`:              {"application/json", "utf-8"},
		`application/json; x="a;charset=b"; charset=c`:    {"application/json", "c"},
		`application/json; x="a,b"`:                       {"application/json", ""},
		"application/json;":                               {"application/json", ""},
		"application/json;;;charset=utf-8;":               {"application/json", "utf-8"},
		"application/json; charset=utf-8; charset=utf-8":  {"application/json", "utf-8"},
		"application/vnd.api+json":                        {"application/vnd.api+json", ""},
		"*/*":                                             {"*/*", ""},
		"text/*":                                          {"text/*", ""},
		"":                                                nil,
		"json":                                            nil,
		"application/":                                    nil,
		"/json":                                           nil,
		"*/json":                                          nil,
		"application/json/x":                              nil,
		"application /json":                               nil,
		"application/json charset=utf-8":                  nil,
		"application/json, text/plain":                    nil,
		"application/json; charset":                       nil,
		"application/json; charset=":                      nil,
		"application/json; charset =utf-8":                nil,
		"application/json; charset= utf-8":                nil,
		`application/json; charset="utf-8`:                nil,
		`application/json; charset="utf-8\`:               nil,
		"application/json; charset=\"\x00\"":              nil,
		"application/json; charset=utf-8; charset=latin1": nil,
		"application/json\n":                              nil,
		"application/jsön":                                nil,
		"a/b" + strings.Repeat(";c=d", 17):                nil,
	} {
		m, ok := parseMediaType(header)

		var got *parsed
		if ok {
			charset, _ := m.param("charset")
			got = &parsed{m.typ + "/" + m.subtype, charset}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("parseMediaType(%q): want -, got +\n%s", header, diff)
		}
	}
}

func TestWeights(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"0": 0, "1": 1000, "0.": 0, "1.": 1000, "0.5": 500, "0.25": 250, "0.125": 125, "1.000": 1000, "0.000": 0,
		"0.9999": 999, "0.0001": 1, "0.33333333333333333333": 333, "1.00000": 1000,
		"": -1, "2": -1, "-1": -1, "1.1": -1, "1.0001": -1, ".5": -1, "0,5": -1, "0.x": -1, "00": -1, "1e0": -1, `"1"`: -1,
	} {
		got, ok := weight(text)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("weight(%q): got %d, want %d", text, got, want)
		}
	}
}

// FuzzMediaType compares with package mime where both accept a header: mime is looser about the grammar, and knows RFC 2231, which HTTP does not.
func FuzzMediaType(f *testing.F) {
	for _, s := range []string{
		"", "application/json", "application/json; charset=utf-8", `a/b; c="d\"e";f=g`, "a/b;;", "text/plain; charset*=utf-8''x", "*/*;q=0.5, a/b", "a/b; c=\"",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		m, ok := parseMediaType(header)
		if !ok {
			return
		}
		name := strings.ToLower(m.typ + "/" + m.subtype)
		if !isToken(m.typ) || !isToken(m.subtype) {
			t.Errorf("%q: got %q, want two tokens", header, name)
		}
		theirs, params, err := mime.ParseMediaType(header)
		if err != nil || strings.Contains(header, "*") {
			return
		}
		if theirs != name {
			t.Errorf("%q: got %q, want %q", header, name, theirs)
		}
		if charset, _ := m.param("charset"); charset != params["charset"] {
			t.Errorf("%q: charset: got %q, want %q", header, charset, params["charset"])
		}
	})
}
