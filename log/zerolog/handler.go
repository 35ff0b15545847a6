package zerolog

import (
	"context"
	"encoding/hex"
	"log/slog"
	"slices"

	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/log/internal/line"
	"github.com/rs/zerolog"
)

// handler is a [plog.Backend] over zerolog. It is immutable.
type handler struct {
	out    *output
	level  *plog.LevelVar // that of out: a disabled line costs little more than the way to it
	scopes []scope        // the line itself, then the groups that were opened, outermost first
}

var _ plog.Backend = (*handler)(nil)

func newHandler(out *output) *handler {
	return &handler{out: out, level: out.level, scopes: make([]scope, 1)}
}

// LevelVar implements [plog.Backend].
func (h *handler) LevelVar() *plog.LevelVar { return h.level }

// Enabled implements [slog.Handler].
func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return plog.Level(level) >= h.level.Level()
}

// Handle implements [slog.Handler]. A failed write is zerolog's to report, so the error is always nil.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if len(h.scopes) > 1 || !h.writePlain(ctx, &r) {
		h.write(ctx, &r)
	}
	return nil
}

// writePlain writes r if that is plain, and reports whether it was.
func (h *handler) writePlain(ctx context.Context, r *slog.Record) bool {
	var buf [512]byte // on the stack; a longer line moves to the heap
	text, ok := h.appendPlain(ctx, buf[:0], r)
	if ok {
		if e := h.out.clean.Log(); e != nil {
			e.RawJSON(plog.LevelKey, text).Send()
		}
	}
	return ok
}

func (h *handler) write(ctx context.Context, r *slog.Record) {
	e := h.out.zl.Log()
	if e == nil {
		return
	}
	e.Str(plog.LevelKey, plog.Level(r.Level).String())
	if !r.Time.IsZero() {
		writeTime(e, plog.TimeKey, r.Time)
	}
	if source := h.out.sources.Of(r.PC); source != "" {
		e.Str(plog.SourceKey, source)
	}
	e.Str(plog.MessageKey, r.Message)
	ids := line.IDsOf(ctx)
	h.writeUnique(e, r, &ids)
	e.Send()
}

// writeUnique writes what is bound, the IDs and the attributes of r in their groups.
func (h *handler) writeUnique(e *zerolog.Event, r *slog.Record, ids *line.IDs) {
	last := len(h.scopes) - 1
	attrs := line.Unique(line.Attrs(*r, 0), h.scopes[last].rename(last))
	deepest := last // groups below have nothing in them and are left out
	for deepest > 0 && len(attrs) == 0 && len(h.scopes[deepest].members) == 0 {
		deepest--
	}
	h.writeScope(e, 0, deepest, attrs, ids)
}

// writeScope writes scope i and what is inside it. attrs belong to the last of all scopes; ids are nil but for the first.
func (h *handler) writeScope(e *zerolog.Event, i, deepest int, attrs []slog.Attr, ids *line.IDs) {
	s := &h.scopes[i]
	inside := attrs
	if i < deepest {
		inside = []slog.Attr{{Key: h.scopes[i+1].name}}
	}
	s.write(e, inside)
	if ids != nil {
		writeIDs(e, ids, s, inside)
	}
	if i < deepest {
		group := e.CreateDict()
		h.writeScope(group, i+1, deepest, attrs, nil)
		e.Dict(h.scopes[i+1].name, group)
		return
	}
	for _, a := range attrs {
		writeAttr(e, a)
	}
}

// writeIDs writes those ids that neither s nor inside have.
func writeIDs(e *zerolog.Event, ids *line.IDs, s *scope, inside []slog.Attr) {
	if ids.Correlation != "" && !s.has(plog.CorrelationIDKey, inside) {
		e.Str(plog.CorrelationIDKey, ids.Correlation)
	}
	if !ids.Span.IsValid() {
		return
	}
	var buf [34]byte
	if !s.has(plog.TraceIDKey, inside) {
		id := ids.Span.TraceID()
		e.RawJSON(plog.TraceIDKey, quotedHex(buf[:0], id[:]))
	}
	if !s.has(plog.SpanIDKey, inside) {
		id := ids.Span.SpanID()
		e.RawJSON(plog.SpanIDKey, quotedHex(buf[:0], id[:]))
	}
}

func quotedHex(dst, id []byte) []byte {
	return append(hex.AppendEncode(append(dst, '"'), id), '"')
}

// WithAttrs implements [slog.Handler].
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler { return h.withAttrs(attrs) }

func (h *handler) withAttrs(attrs []slog.Attr) *handler {
	if len(attrs) == 0 {
		return h
	}
	last := len(h.scopes) - 1
	scopes := slices.Clone(h.scopes)
	scopes[last] = scopes[last].with(line.Unique(attrs, scopes[last].rename(last)))
	return &handler{out: h.out, level: h.level, scopes: scopes}
}

// WithGroup implements [slog.Handler].
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	if len(h.scopes) == 1 {
		name = line.Reserve(name)
	}
	return &handler{out: h.out, level: h.level, scopes: append(slices.Clip(h.scopes), scope{name: name})}
}
