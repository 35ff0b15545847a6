package http

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/beatlabs/patron/trace"
)

// other stands for what is not in a set that is small enough.
const other = "_OTHER"

// maxName is the longest host name that DNS knows; what is longer never answers, and is not kept.
const maxName = 253

// targets are the Ops of a transport, by host name and method. Both come from URLs that somebody else may have chosen, so both are bounded.
type targets struct {
	limit int
	rest  target // for the names beyond

	mu     sync.RWMutex // guards byName
	byName map[string]*target
}

type target struct {
	name string
	ops  [len(methods) + 1]atomic.Pointer[trace.Op]
}

func newTargets(limit int) *targets {
	return &targets{limit: limit, rest: target{name: other}, byName: make(map[string]*target)}
}

// of returns the target with the name of the host of u.
func (t *targets) of(u *url.URL) *target {
	name := u.Hostname()
	if name == "" || len(name) > maxName {
		return &t.rest
	}
	name = strings.ToLower(name)
	t.mu.RLock()
	found, full := t.byName[name], len(t.byName) >= t.limit
	t.mu.RUnlock()
	switch {
	case found != nil:
		return found
	case full:
		return &t.rest
	default:
		return t.add(strings.Clone(name)) // which is part of a URL
	}
}

func (t *targets) add(name string) *target {
	t.mu.Lock()
	defer t.mu.Unlock()
	if found := t.byName[name]; found != nil {
		return found
	}
	if len(t.byName) >= t.limit {
		return &t.rest
	}
	added := &target{name: name}
	t.byName[name] = added
	return added
}

// methods are those that have a label value and an Op of their own.
var methods = [...]string{ //nolint:gochecknoglobals // a constant that Go has no word for
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	http.MethodConnect, http.MethodOptions, http.MethodTrace,
}

// op returns the Op of a method.
func (t *target) op(method string) *trace.Op {
	i, name := len(methods), "HTTP" // the name that the semantic conventions give to other methods
	if method == "" {
		method = http.MethodGet
	}
	for j, known := range methods {
		if known == method {
			i, name = j, known
			break
		}
	}
	if o := t.ops[i].Load(); o != nil {
		return o
	}
	t.ops[i].CompareAndSwap(nil, trace.NewOp(trace.HTTPClient, name, trace.HTTPMethod(method), trace.ServerAddress(t.name)))
	return t.ops[i].Load()
}
