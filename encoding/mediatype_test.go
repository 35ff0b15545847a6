package encoding

import (
	"maps"
	"mime"
	"regexp"
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
// The grammar of RFC 9110, 5.6 and 8.3.1, as regular expressions. A quoted string may hold bytes that are no UTF-8.
const (
	tokenPattern  = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
	quotedPattern = `"(?:[^\x00-\x08\x0a-\x1f\x7f"\\]|\\[^\x00-\x08\x0a-\x1f\x7f])*"`
)

// byGrammar reads a media type with regular expressions: its name, and its parameters in order.
func byGrammar(header string) (name string, params [][2]string, ok bool) {
	head := regexp.MustCompile(`\A[ \t]*(` + tokenPattern + `/` + tokenPattern + `)`).FindStringSubmatch(header)
	if head == nil {
		return "", nil, false
	}
	rest := header[len(head[0]):]
	param := regexp.MustCompile(`\A[ \t]*;[ \t;]*(` + tokenPattern + `)=(` + tokenPattern + `|` + quotedPattern + `)`)
	for m := param.FindStringSubmatch(rest); m != nil; m = param.FindStringSubmatch(rest) {
		params = append(params, [2]string{strings.ToLower(m[1]), m[2]})
		rest = rest[len(m[0]):]
	}
	return head[1], params, regexp.MustCompile(`\A([ \t]*(;[ \t;]*)?)\z`).MatchString(rest)
}

// FuzzMediaType compares with the grammar, and with package mime where that agrees with it.
func FuzzMediaType(f *testing.F) {
	for _, s := range []string{
		"", "application/json", "application/json; charset=utf-8", `a/b; c="d\"e";f=g`, "a/b;;", "text/plain; charset*=utf-8''x", "*/*;q=0.5, a/b", "a/b; c=\"",
		"*/b", "a/*", "a/b;c=d;C=d", "a/b;c=d;c=e", `a/b;c="d";c=d`, "a/b;c=\"\xff\\\xff\"", "a/b ;\tc=d ; ;", "a/b" + strings.Repeat(";c=d", 17),
		"a/b\x00", "\u212a/b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		m, ok := parseMediaType(header)
		name, params, want := byGrammar(header)
		want = want && len(params) <= maxParams && (!strings.HasPrefix(name, "*/") || name == "*/*")
		seen := make(map[string]string)
		for _, p := range params {
			value := unquote(p[1])
			if before, twice := seen[p[0]]; twice && before != value {
				want = false
			}
			seen[p[0]] = value
		}
		if ok != want {
			t.Fatalf("parseMediaType(%q): got %t, want %t", header, ok, want)
		}
		if !ok {
			return
		}
		if m.typ+"/"+m.subtype != name || m.isRange() != strings.HasSuffix(name, "/*") || m.nparams != len(params) {
			t.Errorf("parseMediaType(%q): got %s/%s with %d parameters, want %s with %v", header, m.typ, m.subtype, m.nparams, name, params)
		}
		for key, value := range seen {
			if got, ok := m.param(strings.ToUpper(key)); !ok || got != value {
				t.Errorf("parseMediaType(%q): %s: got %q, want %q", header, key, got, value)
			}
		}
		theirs, theirParams, err := mime.ParseMediaType(header)
		if err != nil || strings.ContainsAny(header, `*\`) { // RFC 2231 is not for us, and package mime keeps some backslashes
			return
		}
		if theirs != strings.ToLower(name) || !maps.Equal(theirParams, seen) {
			t.Errorf("parseMediaType(%q): got %s %v, mime says %s %v", header, name, seen, theirs, theirParams)
		}
	})
}
