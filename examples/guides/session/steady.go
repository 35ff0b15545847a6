package session

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"
)

// volatile is what is different each time, and what stands for it. The ports are those that a reader gets.
var volatile = []struct { //nolint:gochecknoglobals // a constant in all but syntax
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`"time":"[^"]+"`), `"time":"…"`},
	{regexp.MustCompile(`"(took|ran|duration)":[0-9.e+-]+`), `"$1":…`},
	{regexp.MustCompile(`stalled for [0-9]+s`), "stalled for 1s"},
	{regexp.MustCompile(`"after":[0-9]+`), `"after":1`},
	{regexp.MustCompile(`"host":"[^"]+"`), `"host":"…"`},
	{regexp.MustCompile(`"src":"[^"/]+/(life|stop|new|telemetry|health)\.go:\d+"`), `"src":"patron/$1.go:…"`},
	{regexp.MustCompile(`"src":"([^"]+):\d+"`), `"src":"$1:…"`},
	{regexp.MustCompile(`Date: [^\r\n]+`), "Date: …"},
	{regexp.MustCompile(`"http":"[^"]+","management":"[^"]+"`), `"http":"[::]:50000","management":"127.0.0.1:51000"`},
}

// ids gives an ID in hexadecimal digits another one, always the same for the same, by the order in which they come.
type ids struct{ known map[string]string }

var id = regexp.MustCompile(`\b(?:[0-9a-f]{32}|[0-9a-f]{16})\b`)

// steady replaces what is different each time.
func (s *ids) steady(text string) string {
	for _, v := range volatile {
		text = v.what.ReplaceAllString(text, v.with)
	}
	if s.known == nil {
		s.known = make(map[string]string)
	}
	return id.ReplaceAllStringFunc(text, func(found string) string {
		if strings.Trim(found, "0") == "" {
			return found
		}
		if _, ok := s.known[found]; !ok {
			s.known[found] = fmt.Sprintf("%x", sha256.Sum256([]byte{byte(len(s.known))}))[:len(found)]
		}
		return s.known[found]
	})
}
