package jaeger

import (
	"bytes"

	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// packetTail ends the structs Batch and emitBatch_args.
const packetTail = 2

// packet collects encoded spans of one process until they fill a datagram. It must not be used concurrently.
//
// The buffer begins with room for what stands before the spans, because the number of spans, which the head contains, is known only at the end:
//
//	| room | span | span | … |
//	  head, right-aligned when the packet is sealed
type packet struct {
	limit    int // bytes of a datagram
	resource *resource.Resource
	head     []byte // message, argument, process: all of the packet up to the size of the list of spans
	enc      spanEncoder
	count    int
}

// room returns how many bytes the buffer holds free for the head.
func (p *packet) room() int { return len(p.head) + maxListHeader }

// belongs reports whether spans of res may go into this packet.
func (p *packet) belongs(res *resource.Resource) bool {
	return p.head != nil && p.resource == res
}

// begin empties the packet and makes it one for spans of res.
func (p *packet) begin(res *resource.Resource) {
	p.resource, p.head = res, p.encodeHead(res)
	p.reset()
}

// reset empties the packet. A buffer that one huge span has made grow is not kept.
func (p *packet) reset() {
	if cap(p.enc.buf) > 4*p.limit || cap(p.enc.buf) < p.room() {
		p.enc.buf = make([]byte, 0, p.room()+p.limit)
	}
	p.enc.buf = p.enc.buf[:p.room()]
	p.count = 0
}

func (p *packet) encodeHead(res *resource.Resource) []byte {
	p.enc.buf, p.enc.last = p.enc.buf[:0], 0
	p.enc.message("emitBatch")
	p.enc.field(1, typeStruct) // emitBatch_args.batch
	p.enc.begin()
	p.enc.field(1, typeStruct) // Batch.process
	p.enc.process(res)
	p.enc.field(2, typeList) // Batch.spans; their number follows when it is known
	return bytes.Clone(p.enc.buf)
}

// add encodes s into the packet and reports whether it fits. If it does not, the packet is as it was before.
func (p *packet) add(s sdktrace.ReadOnlySpan) bool {
	before := len(p.enc.buf)
	p.enc.last = 0
	p.enc.span(s)
	if len(p.enc.buf)+packetTail > p.limit {
		p.enc.buf = p.enc.buf[:before]
		return false
	}
	p.count++
	return true
}

// seal returns the datagram. It is valid until the packet is used again.
func (p *packet) seal() []byte {
	var size [maxListHeader]byte
	list := appendListHeader(size[:0], p.count)
	start := maxListHeader - len(list)
	copy(p.enc.buf[start:], p.head)
	copy(p.enc.buf[start+len(p.head):], list)
	p.enc.buf = append(p.enc.buf, 0, 0)
	return p.enc.buf[start:]
}
