package encoding

import (
	"fmt"
	"strconv"
	"strings"
)

// maxPointer bounds a pointer, so that a document with huge keys does not come back a hundred times.
const maxPointer = 512

// Pointer returns the RFC 6901 JSON pointer made of tokens: strings, and integers for the elements of arrays. "~" and "/" within a token are escaped.
//
//	Pointer("lines", 0, "unit/price") // "/lines/0/unit~1price"
func Pointer(tokens ...any) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteByte('/')
		switch t := t.(type) {
		case string:
			escape(&b, t)
		case int:
			b.WriteString(strconv.Itoa(t))
		default:
			escape(&b, fmt.Sprint(t))
		}
	}
	return b.String()
}

// Path is the place at which a walk through a document stands. The zero value is the root. Down to eight levels it allocates nothing until its pointer is
// asked for.
type Path struct {
	depth int
	first [8]token
	rest  []token
}

type token struct {
	name  string
	index int // -1: name
}

// Push enters the member of an object.
func (p *Path) Push(name string) { p.push(token{name: name, index: -1}) }

// PushIndex enters the element of an array.
func (p *Path) PushIndex(i int) { p.push(token{index: i}) }

func (p *Path) push(t token) {
	if p.depth < len(p.first) {
		p.first[p.depth] = t
	} else {
		p.rest = append(p.rest[:p.depth-len(p.first)], t)
	}
	p.depth++
}

// Pop goes back to where the last Push or PushIndex came from. It must not be called at the root.
func (p *Path) Pop() { p.depth-- }

// Pointer returns the RFC 6901 JSON pointer of the place. A pointer of more than 512 bytes is cut after its last whole token: it then points at something
// that contains the place.
func (p *Path) Pointer() string {
	var b strings.Builder
	end := 0
	for i := range p.depth {
		t := p.at(i)
		if len(t.name) > maxPointer {
			break
		}
		b.WriteByte('/')
		if t.index >= 0 {
			b.WriteString(strconv.Itoa(t.index))
		} else {
			escape(&b, t.name)
		}
		if b.Len() > maxPointer {
			break
		}
		end = b.Len()
	}
	return b.String()[:end]
}

func (p *Path) at(i int) token {
	if i < len(p.first) {
		return p.first[i]
	}
	return p.rest[i-len(p.first)]
}

// Join returns the pointer of something below the place, which is given by a pointer relative to it. A missing slash at the front of that one is put in. What
// would be too long is left out.
func (p *Path) Join(pointer string) string {
	base := p.Pointer()
	if pointer != "" && pointer[0] != '/' {
		pointer = "/" + pointer
	}
	if len(base)+len(pointer) > maxPointer {
		return base
	}
	return base + pointer
}

func escape(b *strings.Builder, token string) {
	for i := range len(token) {
		switch c := token[i]; c {
		case '~':
			b.WriteString("~0")
		case '/':
			b.WriteString("~1")
		default:
			b.WriteByte(c)
		}
	}
}
