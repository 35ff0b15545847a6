package http

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/beatlabs/patron/encoding"
	psync "github.com/beatlabs/patron/sync"
)

// buffered is how much of an answer net/http keeps before it sends the header; up to that length it finds the Content-Length by itself, at no cost.
const buffered = 2048

// processor is the handler that runs a psync.ProcessorFunc.
type processor struct {
	proc   psync.ProcessorFunc
	codecs *encoding.Codecs
	names  []string // of the wildcards of the path
	status int      // of a response that says none
}

func newProcessor(r *Route, codecs *encoding.Codecs) *processor {
	p := &processor{proc: r.proc, codecs: codecs, names: pathNames(r.path), status: http.StatusOK}
	if r.method == http.MethodPost {
		p.status = http.StatusCreated
	}
	return p
}

// ServeHTTP negotiates, runs the processor and writes what it returned. What cannot be read or written is refused before the processor runs.
func (p *processor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out, err := p.codecs.ForAccept(accepted(r.Header))
	if err != nil {
		WriteError(w, r, err)
		return
	}
	contentType := ""
	if r.Body != nil && r.Body != http.NoBody {
		contentType = strings.Join(r.Header["Content-Type"], ", ")
	}
	in, err := p.codecs.ForContentType(contentType)
	if err != nil {
		WriteError(w, r, err)
		return
	}
	req := psync.NewRequest(fields(r, p.names), r.Body, headers(r.Header), in.Decode)
	res, err := p.proc(r.Context(), req)
	if err == nil {
		err = p.respond(w, r, res, out)
	}
	if err != nil {
		WriteError(w, r, err)
	}
}

// respond writes a response. An error means that nothing was written.
func (p *processor) respond(w http.ResponseWriter, r *http.Request, res *psync.Response, out encoding.Codec) error {
	if res == nil {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	status := res.Status
	if status == 0 {
		status = p.status
	}
	if status < http.StatusOK || status > 599 {
		return fmt.Errorf("response: status %d: want 200 to 599", status)
	}
	var body []byte
	if res.Payload != nil {
		var err error
		if body, err = out.Encode(res.Payload); err != nil {
			return fmt.Errorf("response: %w", err)
		}
	}
	h := w.Header()
	if res.Payload != nil && status != http.StatusNoContent && status != http.StatusNotModified {
		setContentType(h, r, out.ContentType())
		if len(body) > buffered {
			h["Content-Length"] = []string{strconv.Itoa(len(body))}
		}
	} else {
		body = nil
	}
	for name, value := range res.Header {
		h.Set(name, value)
	}
	w.WriteHeader(status)
	if len(body) > 0 {
		_, _ = w.Write(body) // an error: the client is gone
	}
	return nil
}

// setContentType says what the body is, and that it is nothing else, without memory of its own.
func setContentType(h http.Header, r *http.Request, contentType string) {
	x := exchangeFrom(r.Context())
	if x == nil {
		h.Set("Content-Type", contentType)
		h.Set("X-Content-Type-Options", "nosniff")
		return
	}
	x.contentType[0], x.noSniff[0] = contentType, "nosniff"
	h["Content-Type"], h["X-Content-Type-Options"] = x.contentType[:], x.noSniff[:]
}

// fields returns the first value of each query parameter, and the path parameters, which win.
func fields(r *http.Request, names []string) map[string]string {
	query := r.URL.RawQuery
	if query == "" && len(names) == 0 {
		return nil
	}
	ff := make(map[string]string, len(names))
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if pair == "" || strings.Contains(pair, ";") { // which url.ParseQuery refuses, too
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, errName := url.QueryUnescape(name)
		value, errValue := url.QueryUnescape(value)
		if _, ok := ff[name]; !ok && errName == nil && errValue == nil {
			ff[name] = value
		}
	}
	for _, name := range names {
		ff[name] = r.PathValue(name)
	}
	return ff
}

// headers returns the headers by their names in the spelling of net/http. Several lines of one header are joined, as RFC 9110 (5.3) allows.
func headers(h http.Header) map[string]string {
	hh := make(map[string]string, len(h))
	for name, vv := range h {
		switch len(vv) {
		case 0:
		case 1:
			hh[name] = vv[0]
		default:
			hh[name] = strings.Join(vv, separator(name))
		}
	}
	return hh
}

func separator(name string) string {
	if name == "Cookie" {
		return "; "
	}
	return ", "
}
