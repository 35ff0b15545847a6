// Package amqp is a driver for RabbitMQ (AMQP 0.9.1).
package amqp
