// Package sqs consumes and publishes messages of Amazon SQS, and publishes to SNS.
package sqs
