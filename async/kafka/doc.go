// Package kafka is async on Kafka.
package kafka
