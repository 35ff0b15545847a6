// Package sarama is async on Kafka, by the client library github.com/IBM/sarama: for those who run it already.
package sarama
