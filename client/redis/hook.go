package redis

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/beatlabs/patron/metric"
	"github.com/beatlabs/patron/trace"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"
)

// hook sees the calls of a client.
type hook struct {
	config *config
	target *target

	ops   sync.Map // name as go-redis has it → *trace.Op
	known atomic.Int64
	other *trace.Op

	last  atomic.Pointer[trace.Telemetry] // the one used last, so that one comparison is enough
	shown sync.Map                        // *trace.Telemetry → shows the pool
}

var _ redis.Hook = (*hook)(nil)

// The operations that are no command.
const (
	other    = "_OTHER"
	pipeline = "PIPELINE"
	multi    = "MULTI"
)

func newHook(c *config, t *target) *hook {
	h := &hook{config: c, target: t}
	h.other = h.newOp(other)
	return h
}

func (h *hook) newOp(name string) *trace.Op {
	return trace.NewOp(trace.DBClient, name, trace.DBSystem("redis"), trace.DBNamespace(h.target.database), trace.ServerAddress(h.target.host),
		trace.DBOperation(name))
}

// opOf returns the operation with the name of a command, in lower case.
func (h *hook) opOf(name string) *trace.Op {
	if op, ok := h.ops.Load(name); ok {
		return op.(*trace.Op) //nolint:forcetypeassert // only operations are stored
	}
	if !isCommand(name) || h.known.Add(1) > MaxOperations {
		return h.other
	}
	op, _ := h.ops.LoadOrStore(name, h.newOp(strings.ToUpper(name)))
	return op.(*trace.Op) //nolint:forcetypeassert // only operations are stored
}

// isCommand reports whether name may be that of a command, not a value that somebody took for one.
func isCommand(name string) bool {
	if name == "" || len(name) > 40 {
		return false
	}
	for i := range len(name) {
		c := name[i] | 0x20 // in lower case; the name of a sub-command is as the caller wrote it
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune(" ._-", rune(name[i])) {
			return false
		}
	}
	return true
}

// DialHook implements redis.Hook. The time of dialling is in that of the command that waits for it.
func (h *hook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessHook implements redis.Hook.
func (h *hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		h.show(ctx)
		ctx, span := trace.Begin(ctx, trace.Unit{Op: h.opOf(cmd.FullName())})
		if span.IsRecording() {
			span.SetAttributes(h.describe([]redis.Cmder{cmd})...)
		}
		defer endPanicked(span)
		err := next(ctx, cmd)
		end(span, err)
		return err
	}
}

// ProcessPipelineHook implements redis.Hook. It reads no results of the commands, which may be there later only.
func (h *hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		h.show(ctx)
		name := pipeline
		if len(cmds) > 0 && cmds[0].Name() == "multi" {
			name = multi
		}
		ctx, span := trace.Begin(ctx, trace.Unit{Op: h.opOf(name)})
		if span.IsRecording() {
			span.SetAttributes(append(h.describe(cmds), trace.DBBatchSize(len(cmds)))...)
		}
		defer endPanicked(span)
		err := next(ctx, cmds)
		end(span, err)
		return err
	}
}

// errPanicked is what a span says of a call that did not return.
var errPanicked = errors.New("panicked")

// endPanicked ends what has not ended: the panic passes.
func endPanicked(span *trace.Span) {
	span.SetErrorType("panic")
	span.End(errPanicked)
}

// end ends span with the outcome of a call.
func end(span *trace.Span, err error) {
	reply, replied := errors.AsType[redis.Error](err)
	switch {
	case errors.Is(err, redis.Nil):
		err = nil
	case errors.Is(err, redis.ErrPoolTimeout):
		span.SetErrorType("timeout")
	case replied && !errors.Is(err, redis.TxFailedErr): // of which the client tells itself
		kind := kindOf(reply.Error())
		span.SetErrorType(kind)
		if kind == noScript {
			err = nil
		}
	}
	span.End(err)
}

// noScript is how Redis asks for a script that it does not have.
const noScript = "NOSCRIPT"

// kindOf returns the first word of an error of the server, if it is one that Redis is known to say.
func kindOf(reply string) string {
	word, _, _ := strings.Cut(reply, " ")
	switch word = strings.TrimSuffix(word, ":"); word {
	case "ERR", "WRONGTYPE", "NOAUTH", "WRONGPASS", "NOPERM", noScript, "MOVED", "ASK", "TRYAGAIN", "CROSSSLOT", "CLUSTERDOWN", "READONLY", "LOADING", "BUSY",
		"OOM", "EXECABORT", "MISCONF", "MASTERDOWN", "NOREPLICAS", "BUSYGROUP", "NOGROUP", "BUSYKEY", "NOTBUSY", "UNKILLABLE", "INPROG", "NOPROTO",
		"IOERR", "UNBLOCKED", "NOGOODSLAVE":
		return word
	default:
		return other
	}
}

// Bounds of the text of a query.
const (
	mostArgs     = 10
	mostCommands = 10
)

// describe returns what is worth knowing about one call alone: no key and no value is among it.
func (h *hook) describe(cmds []redis.Cmder) []attribute.KeyValue {
	attrs := make([]attribute.KeyValue, 0, 3)
	if h.target.port != 0 {
		attrs = append(attrs, trace.ServerPort(h.target.port))
	}
	if h.config.textOff {
		return attrs
	}
	var b strings.Builder
	for i, cmd := range cmds {
		if i > 0 {
			b.WriteByte('\n')
		}
		if i == mostCommands {
			b.WriteString("…")
			break
		}
		writeText(&b, cmd)
	}
	return append(attrs, trace.DBQueryText(b.String()))
}

// writeText writes a command without its keys and values.
func writeText(b *strings.Builder, cmd redis.Cmder) {
	name := cmd.FullName()
	if !isCommand(name) {
		name = other
	}
	b.WriteString(strings.ToUpper(name))
	for n := range len(cmd.Args()) - 1 - strings.Count(name, " ") {
		if n == mostArgs {
			b.WriteString(" …")
			return
		}
		b.WriteString(" ?")
	}
}

// show shows the pool in the telemetry of ctx.
func (h *hook) show(ctx context.Context) {
	t := trace.FromContext(ctx)
	if h.last.Load() == t {
		return
	}
	if _, shown := h.shown.LoadOrStore(t, true); !shown {
		h.showIn(t.Metrics())
	}
	h.last.Store(t)
}

// The names of the metrics of pools.
const (
	metricConnections    = "patron_db_client_connections"
	metricMaxConnections = "db_client_connection_max"
	labelPool            = "db_client_connection_pool_name"
	labelState           = "db_client_connection_state"
)

func (h *hook) showIn(r *metric.Registry) {
	pool := h.config.pool
	if pool == "" {
		pool = h.target.name
	}
	connections := r.GaugeFunc(metric.Opts{
		Name: metricConnections, Labels: []string{labelPool, labelState},
		Help: "Connections of the pool, by state: idle or used.",
	})
	read := h.target.pool
	connections.Add(func() (float64, bool) {
		stats, ok := read()
		if !ok {
			return 0, false
		}
		return float64(stats.IdleConns), true
	}, pool, "idle")
	connections.Add(func() (float64, bool) {
		stats, ok := read()
		if !ok {
			return 0, false
		}
		return float64(max(stats.TotalConns, stats.IdleConns) - stats.IdleConns), true
	}, pool, "used")
	if most := h.target.most; most > 0 {
		r.GaugeFunc(metric.Opts{Name: metricMaxConnections, Help: "Connections that the pool may have.", Labels: []string{labelPool}}).Add(func() (float64, bool) {
			_, ok := read()
			return float64(most), ok
		}, pool)
	}
}
