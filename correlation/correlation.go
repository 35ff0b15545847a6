package correlation

import (
	"context"
	"encoding/hex"
	"math/rand/v2"
)

// HeaderID is the header, metadata key or message attribute that carries the ID, in the canonical form of net/http. Readers compare it without regard
// to case.
const HeaderID = "X-Correlation-Id"

// maxLength bounds what is accepted from outside.
const maxLength = 128

// New returns a new ID of 32 hexadecimal digits (128 random bits). The ID is a name, not a secret: it comes from math/rand/v2, so it must not be used as
// a token. It never blocks and may be called concurrently.
func New() string {
	var raw [16]byte
	hi, lo := rand.Uint64(), rand.Uint64()
	for i := range 8 {
		raw[i] = byte(hi >> (8 * i))
		raw[8+i] = byte(lo >> (8 * i))
	}
	var text [32]byte
	hex.Encode(text[:], raw[:])
	return string(text[:])
}

// Valid reports whether id may be used as it is: 1 to 128 of the characters A-Z, a-z, 0-9, dot, underscore and hyphen.
func Valid(id string) bool {
	if id == "" || len(id) > maxLength {
		return false
	}
	for i := range len(id) {
		c := id[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}

// ContextWithID returns a copy of ctx that carries id. The ID is taken as given: whoever received it from outside checks it with [Valid] first.
func ContextWithID(ctx context.Context, id string) context.Context {
	return &idContext{Context: ctx, id: id}
}

// IDFromContext returns the ID that ctx carries, or "" if it carries none. It never creates one: two calls give the same answer.
func IDFromContext(ctx context.Context) string {
	if c, ok := ctx.Value(idKey{}).(*idContext); ok {
		return c.id
	}
	return ""
}

type idKey struct{}

// idContext is a context of its own instead of context.WithValue, which costs a second allocation to put the string into an interface.
type idContext struct {
	context.Context
	id string
}

func (c *idContext) Value(key any) any {
	if key == (idKey{}) {
		return c
	}
	return c.Context.Value(key)
}
