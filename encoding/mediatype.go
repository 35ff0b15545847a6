package encoding

import "strings"

// maxParams bounds the parameters of one media type: looking for one that is given twice takes time in the square of their number.
const maxParams = 16

// mediaType is a media type or range (RFC 9110, 8.3.1 and 12.5.1), as parts of the header it was read from: parsing allocates nothing.
type mediaType struct {
	typ, subtype string // in the header's case; "*" in a range
	params       string // the text of the parameters, checked; in a range those before the weight
	nparams      int
	quality      int // the weight in thousandths; 1000 where none is given
}

// parseMediaType parses a header that holds one media type. A header with two different values for one parameter is no media type, because readers would
// disagree about what it says.
func parseMediaType(header string) (mediaType, bool) {
	p := parser{s: header}
	m, ok := p.mediaType(false)
	if !ok || p.i < len(header) {
		return mediaType{}, false
	}
	return m, true
}

func (m mediaType) isRange() bool { return m.typ == "*" || m.subtype == "*" }

func (m mediaType) sameType(o mediaType) bool {
	return strings.EqualFold(m.typ, o.typ) && strings.EqualFold(m.subtype, o.subtype)
}

// param returns the value of the named parameter, without quotes.
func (m mediaType) param(name string) (string, bool) {
	p := parser{s: m.params}
	for {
		n, v, ok := p.param()
		if !ok {
			return "", false
		}
		if strings.EqualFold(n, name) {
			return unquote(v), true
		}
	}
}

// specificity says how exactly the range m names the type o: 0 for */*, 1 for type/*, 2 for type/subtype, one more for each parameter; -1 if o is not in m.
func (m mediaType) specificity(o mediaType) int {
	switch {
	case m.typ == "*":
		return m.withParams(0, o)
	case !strings.EqualFold(m.typ, o.typ):
		return -1
	case m.subtype == "*":
		return m.withParams(1, o)
	case !strings.EqualFold(m.subtype, o.subtype):
		return -1
	default:
		return m.withParams(2, o)
	}
}

func (m mediaType) withParams(base int, o mediaType) int {
	p := parser{s: m.params}
	for {
		n, v, ok := p.param()
		if !ok {
			return base + m.nparams
		}
		if have, ok := o.param(n); !ok || !strings.EqualFold(have, unquote(v)) {
			return -1
		}
	}
}

// parser reads the grammar of RFC 9110, 5.6 and 8.3.1, from s[i:].
type parser struct {
	s string
	i int
}

// mediaType reads a media type, up to the end or, in a list, up to a comma.
func (p *parser) mediaType(list bool) (mediaType, bool) {
	m := mediaType{quality: 1000}
	p.space()
	if m.typ = p.token(); m.typ == "" || !p.eat('/') {
		return m, false
	}
	if m.subtype = p.token(); m.subtype == "" || m.typ == "*" && m.subtype != "*" {
		return m, false
	}
	start := p.i
	m.params = p.s[start:start]
	for {
		name, value, ok := p.param()
		if !ok {
			break
		}
		if list && strings.EqualFold(name, "q") {
			if m.quality, ok = weight(value); !ok {
				return m, false
			}
			p.extensions()
			break
		}
		if before, twice := m.param(name); twice && before != unquote(value) {
			return m, false
		}
		m.params = p.s[start:p.i]
		if m.nparams++; m.nparams > maxParams {
			return m, false
		}
	}
	p.semicolons()
	return m, p.i == len(p.s) || list && p.s[p.i] == ','
}

// extensions skips what may follow the weight; nobody has defined any.
func (p *parser) extensions() {
	for {
		i := p.i
		if !p.semicolons() || p.token() == "" {
			p.i = i
			return
		}
		if p.eat('=') && !p.value() {
			p.i = i
			return
		}
	}
}

// param reads the next parameter with the semicolon before it. The value is as written, perhaps in quotes. If there is none, p stays where it was.
func (p *parser) param() (name, value string, ok bool) {
	before := p.i
	if !p.semicolons() {
		p.i = before
		return "", "", false
	}
	if name = p.token(); name == "" || !p.eat('=') {
		p.i = before
		return "", "", false
	}
	start := p.i
	if !p.value() {
		p.i = before
		return "", "", false
	}
	return name, p.s[start:p.i], true
}

// semicolons reads white space and semicolons, of which RFC 9110 allows any number, and reports whether there was a semicolon.
func (p *parser) semicolons() bool {
	p.space()
	var found bool
	for p.eat(';') {
		found = true
		p.space()
	}
	return found
}

func (p *parser) space() {
	for p.i < len(p.s) && (p.s[p.i] == ' ' || p.s[p.i] == '\t') {
		p.i++
	}
}

func (p *parser) eat(c byte) bool {
	if p.i < len(p.s) && p.s[p.i] == c {
		p.i++
		return true
	}
	return false
}

func (p *parser) token() string {
	start := p.i
	for p.i < len(p.s) && isTokenChar(p.s[p.i]) {
		p.i++
	}
	return p.s[start:p.i]
}

// value reads a token or a quoted string.
func (p *parser) value() bool {
	if !p.eat('"') {
		return p.token() != ""
	}
	for p.i < len(p.s) {
		c := p.s[p.i]
		p.i++
		switch {
		case c == '"':
			return true
		case c == '\\':
			if p.i == len(p.s) || !isText(p.s[p.i]) {
				return false
			}
			p.i++
		case !isText(c):
			return false
		}
	}
	return false
}

// nextElement goes behind the next comma that is not in quotes, and reports whether there was one.
func (p *parser) nextElement() bool {
	var quoted bool
	for ; p.i < len(p.s); p.i++ {
		switch c := p.s[p.i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			p.i++
		case c == ',' && !quoted:
			p.i++
			return true
		}
	}
	p.i = len(p.s)
	return false
}

// weight parses a qvalue into thousandths. More digits than the three of the RFC are read, because clients print floats, and cut; what is above 0 stays
// above 0.
func weight(s string) (int, bool) {
	if s == "" || s[0] != '0' && s[0] != '1' || len(s) > 1 && s[1] != '.' {
		return 0, false
	}
	q, unit, rest := int(s[0]-'0')*1000, 100, false
	for i := 2; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		q += int(s[i]-'0') * unit
		unit /= 10
		rest = rest || s[i] != '0'
	}
	switch {
	case s[0] == '1':
		return 1000, !rest
	case rest:
		return max(q, 1), true
	default:
		return q, true
	}
}

// unquote returns the text of a token or a checked quoted string.
func unquote(v string) string {
	if v == "" || v[0] != '"' {
		return v
	}
	v = v[1 : len(v)-1]
	if strings.IndexByte(v, '\\') < 0 {
		return v
	}
	var b strings.Builder
	for i := 0; i < len(v); i++ {
		if v[i] == '\\' {
			i++
		}
		b.WriteByte(v[i])
	}
	return b.String()
}

func isToken(s string) bool {
	for i := range len(s) {
		if !isTokenChar(s[i]) {
			return false
		}
	}
	return s != ""
}

// isTokenChar reports whether c is a tchar of RFC 9110, 5.6.2.
func isTokenChar(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	default:
		return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
	}
}

// isText reports whether c may stand in a quoted string: a tab, what is visible, a space, and bytes above ASCII.
func isText(c byte) bool { return c == '\t' || c >= ' ' && c != 0x7f }

func isBlank(s string) bool { return strings.Trim(s, " \t") == "" }
