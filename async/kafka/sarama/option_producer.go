package sarama

// WithMaxMessageBytes sets the size of the largest message, with its key and headers, before compression. A larger one is refused. It should be that of the
// topic (max.message.bytes). The default is 1 000 000, a little less than what brokers take if nobody changed it.
func WithMaxMessageBytes(n int) OptionFunc {
	return option("message bytes", ofProducer, func(c *config) error { return above(&c.maxBytes, n, 512) })
}
