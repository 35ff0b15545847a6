package encoding_test

import (
	"errors"
	"mime"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/beatlabs/patron/encoding"
	"github.com/beatlabs/patron/encoding/json"
	"github.com/beatlabs/patron/encoding/protobuf"
	"github.com/google/go-cmp/cmp"
)

func newCodecs(tb testing.TB) *encoding.Codecs {
	tb.Helper()
	codecs, err := encoding.NewCodecs(json.Codec(), protobuf.Codec())
	if err != nil {
		tb.Fatalf("NewCodecs: %v", err)
	}
	return codecs
}

func TestABodyFindsItsCodecByContentType(t *testing.T) {
	t.Parallel()
	codecs := newCodecs(t)
	for header, want := range map[string]string{
		"":                                    "application/json",
		"  ":                                  "application/json",
		"application/json":                    "application/json",
		"application/json; charset=utf-8":     "application/json",
		"application/json;charset=utf-8":      "application/json",
		`APPLICATION/json ; CHARSET="Utf-8"`:  "application/json",
		"application/json; profile=x":         "application/json",
		"application/problem+json":            "application/json",
		"application/vnd.API+JSON":            "application/json",
		"application/x-protobuf":              "application/x-protobuf",
		"application/x-google-protobuf":       "application/x-protobuf",
		"application/protobuf; messageType=x": "application/x-protobuf",
		"application/protobuf; charset=utf-8": "application/x-protobuf",
		"application/json; charset=latin1":    "",
		"application/+json":                   "",
		"application/json; charset=us-ascii":  "",
		"application/xml":                     "",
		"application/x+jsonx":                 "",
		"application/+protobuf":               "",
		"text/json":                           "",
		"*/*":                                 "",
		"application/*":                       "",
		"json":                                "",
		"application/json, application/json":  "",
		"application/json; charset":           "",
		"\x00":                                "",
	} {
		c, err := codecs.ForContentType(header)

		got := ""
		if err == nil {
			got = c.MediaTypes[0]
		}
		if got != want {
			t.Errorf("ForContentType(%q): got %q (%v), want %q", header, got, err, want)
		}
		if want == "" && (!errors.Is(err, encoding.ErrContentType) || errors.Is(err, encoding.ErrAccept)) {
			t.Errorf("ForContentType(%q): got error %v, want one that is ErrContentType", header, err)
		}
	}
}

func TestAnAnswerSaysTheMediaTypeThatWasNegotiated(t *testing.T) {
	t.Parallel()
	codecs := newCodecs(t)
	for header, want := range map[string]string{
		"":                                json.TypeCharset,
		"*/*":                             json.TypeCharset,
		"application/json":                json.TypeCharset,
		json.TypeCharset:                  json.TypeCharset,
		"application/*;q=0.1":             json.TypeCharset,
		"text/html, */*;q=0.8":            json.TypeCharset,
		"application/x-protobuf":          "application/x-protobuf",
		"application/protobuf":            "application/protobuf",
		"Application/Protobuf;q=0.2":      "application/protobuf",
		"application/x-google-protobuf":   "application/x-google-protobuf",
		"application/protobuf, */*;q=0.1": "application/protobuf",
		"application/vnd.api+json":        "",
		"text/html":                       "",
		"*/*;q=0":                         "",
	} {
		c, err := codecs.ForAccept(header)

		if got := c.ContentType(); got != want {
			t.Errorf("ForAccept(%q): got %q (%v), want %q", header, got, err, want)
		}
		if want == "" && !errors.Is(err, encoding.ErrAccept) {
			t.Errorf("ForAccept(%q): got error %v, want one that is ErrAccept", header, err)
		}
	}
}

func TestWhatIsNotSupportedIsSaidWithWhatIs(t *testing.T) {
	t.Parallel()
	codecs := newCodecs(t)
	supported := []string{"application/json", "application/x-protobuf", "application/x-google-protobuf", "application/protobuf"}

	_, err := codecs.ForContentType("text/\"plain\n" + strings.Repeat("x", 200))

	e, ok := errors.AsType[*encoding.MediaTypeError](err)
	if !ok || cmp.Diff(supported, e.Supported) != "" {
		t.Errorf("ForContentType: got %#v, want a MediaTypeError with %q", err, supported)
	}
	want := `unsupported content type: "text/\"plain\n` + strings.Repeat("x", 88) + `…": want ` + strings.Join(supported, ", ")
	if err.Error() != want {
		t.Errorf("ForContentType: got %q, want %q", err, want)
	}
	_, err = codecs.ForAccept("text/plain")
	if want := `not acceptable: "text/plain": want ` + strings.Join(supported, ", "); err == nil || err.Error() != want {
		t.Errorf("ForAccept: got %v, want %q", err, want)
	}
}

func TestASetRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	with := func(change func(c *encoding.Codec)) encoding.Codec {
		c := json.Codec()
		change(&c)
		return c
	}
	for want, cc := range map[string][]encoding.Codec{
		"encoding: no codecs: want at least one": nil,
		"encoding: codec 0: no media types: want at least one": {
			with(func(c *encoding.Codec) { c.MediaTypes = nil }),
		},
		`encoding: codec 0: media type "JSON": want type/subtype in lower case without parameters`: {
			with(func(c *encoding.Codec) { c.MediaTypes = []string{"JSON"} }),
		},
		`encoding: codec 0: media type "a/*": want type/subtype in lower case without parameters`: {
			with(func(c *encoding.Codec) { c.MediaTypes = []string{"a/*"} }),
		},
		`encoding: codec 0: media type "a/B": want type/subtype in lower case without parameters`: {
			with(func(c *encoding.Codec) { c.MediaTypes = []string{"a/B"} }),
		},
		`encoding: codec 0: media type "a/b;c=d": want type/subtype in lower case without parameters`: {
			with(func(c *encoding.Codec) { c.MediaTypes = []string{"a/b;c=d"} }),
		},
		`encoding: codec 0: suffix "json": want a plus sign and a name in lower case`: {
			with(func(c *encoding.Codec) { c.Suffix = "json" }),
		},
		`encoding: codec 0: charset "utf 8": want a token`: {
			with(func(c *encoding.Codec) { c.Charset = "utf 8" }),
		},
		"encoding: codec 0: nil function: want Decode, DecodeRaw and Encode": {
			with(func(c *encoding.Codec) { c.Encode = nil }),
		},
		"encoding: codec 1: application/json is given twice\nencoding: codec 1: +json is given twice": {
			json.Codec(), json.Codec(),
		},
		"encoding: codec 0: no media types: want at least one\nencoding: codec 1: charset \"\\n\": want a token": {
			with(func(c *encoding.Codec) { c.MediaTypes = nil }), with(func(c *encoding.Codec) { c.Charset = "\n" }),
		},
	} {
		if _, err := encoding.NewCodecs(cc...); err == nil || err.Error() != want {
			t.Errorf("NewCodecs: got %v, want %q", err, want)
		}
	}
}

func TestASetKeepsNothingOfWhatItIsGiven(t *testing.T) {
	t.Parallel()
	c := json.Codec()
	codecs, err := encoding.NewCodecs(c)
	if err != nil {
		t.Fatalf("NewCodecs: %v", err)
	}

	c.MediaTypes[0] = "changed"
	codecs.MediaTypes()[0] = "changed"

	if diff := cmp.Diff([]string{"application/json"}, codecs.MediaTypes()); diff != "" {
		t.Errorf("MediaTypes: want -, got +\n%s", diff)
	}
}

func TestACodecOfItsOwnSaysItsPreferredType(t *testing.T) {
	t.Parallel()
	if got := json.Codec().ContentType(); got != json.TypeCharset {
		t.Errorf("ContentType: got %q, want %q", got, json.TypeCharset)
	}
	if got := protobuf.Codec().ContentType(); got != protobuf.Type {
		t.Errorf("ContentType: got %q, want %q", got, protobuf.Type)
	}
	if got := (encoding.Codec{}).ContentType(); got != "" {
		t.Errorf("ContentType of the zero value: got %q, want the empty string", got)
	}
}

func TestLookingUpWhatNearlyEverybodySendsAllocatesNothing(t *testing.T) {
	// not parallel: AllocsPerRun counts the allocations of the whole process
	codecs := newCodecs(t)
	if n := testing.AllocsPerRun(100, func() {
		for _, header := range []string{"", "application/json", "application/json;charset=UTF-8", "application/problem+json"} {
			_, _ = codecs.ForContentType(header)
		}
		for _, header := range []string{"", "*/*", "application/json", "text/html, */*;q=0.8"} {
			_, _ = codecs.ForAccept(header)
		}
	}); n > 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

// FuzzContentType compares with a parser that is known: package mime, for headers that it and RFC 9110 read alike.
func FuzzContentType(f *testing.F) {
	for _, s := range []string{
		"", "application/json", "application/x+json; charset=utf-8", "*/*", `a/b;c="`, "application/json;charset=latin1", " ", "application/+json",
		"APPLICATION/X-PROTOBUF", "text/x+JSON;charset=\"UTF-8\"", "application/json, application/json", "application/json\r\nX: y",
		"AppliCAtion/json\n", "arsett{on/x+json; chplica=u", "tion/x+json; .harset=utfsZn; miccha= .", "t/x+JSON;^harset=\"\x00-8\"",
	} {
		f.Add(s)
	}
	codecs := newCodecs(f)
	f.Fuzz(func(t *testing.T, header string) {
		c, err := codecs.ForContentType(header)
		if (err == nil) != (c.Decode != nil) {
			t.Fatalf("ForContentType(%q): got error %v and codec %v", header, err, c.MediaTypes)
		}
		if err != nil {
			if e, ok := errors.AsType[*encoding.MediaTypeError](err); !ok || !errors.Is(err, encoding.ErrContentType) || e.Header != header {
				t.Errorf("ForContentType(%q): got %v", header, err)
			}
			if strings.ContainsAny(err.Error(), "\r\n\x00\x1b") || len(err.Error()) > 1000 {
				t.Errorf("ForContentType(%q): got an error of %d bytes: %q", header, len(err.Error()), err)
			}
		}
		name, params, bad := mime.ParseMediaType(header)
		// RFC 2045, which package mime follows, has braces in tokens and may have blanks around the equals sign; RFC 9110 has not.
		if bad != nil || strings.ContainsAny(header, "*{}") || strings.ContainsFunc(header, isForeign) || blankEquals.MatchString(header) {
			return
		}
		want := ""
		switch subtype := strings.TrimPrefix(name[strings.Index(name, "/")+1:], "+"); {
		case !strings.Contains(name, "/"):
		case slices.Contains(protobuf.Codec().MediaTypes, name):
			want = protobuf.Type
		case name == json.Type, strings.HasSuffix(subtype, "+json"):
			want = json.Type
		}
		if charset, ok := params["charset"]; ok && want == json.Type && !strings.EqualFold(charset, "utf-8") {
			want = ""
		}
		if got := cmp.Diff([]string{want}, first(c.MediaTypes)); got != "" && len(params) <= 16 {
			t.Errorf("ForContentType(%q): want -, got +\n%s", header, got)
		}
	})
}

// blankEquals finds an equals sign with a blank beside it.
var blankEquals = regexp.MustCompile(`[ \t]=|=[ \t]`)

// isForeign reports whether r may stand in a media type for package mime, but not for RFC 9110 (5.6): controls, and white space that is neither blank nor tab.
func isForeign(r rune) bool {
	return r != ' ' && r != '\t' && (unicode.IsControl(r) || unicode.IsSpace(r))
}

// first returns the first of names, or the empty string.
func first(names []string) []string {
	if len(names) == 0 {
		return []string{""}
	}
	return names[:1]
}

func BenchmarkForContentType(b *testing.B) {
	codecs := newCodecs(b)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = codecs.ForContentType("application/json")
	}
}
