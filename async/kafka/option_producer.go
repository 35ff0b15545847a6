package kafka

// WithMaxMessageBytes sets the size of the largest message, with its key and headers, before compression. A larger one is refused with [ErrTooLarge].
// It should be that of the topic (max.message.bytes). The default is 1 048 588, which is what brokers take if nobody changed it.
func WithMaxMessageBytes(n int32) OptionFunc {
	return option("message bytes", ofProducers, func(c *config) error { return above(&c.maxBytes, n, 512) })
}

// WithBuffer bounds how many messages wait for their confirmation. [Buffered.Enqueue] blocks while there are so many. The default is 10 000.
func WithBuffer(n int) OptionFunc {
	return option("buffer", ofBuffer, func(c *config) error { return above(&c.buffer, n, 1) })
}
