// Package cloudevents holds patron's async/cloudevents to the official SDK (github.com/cloudevents/sdk-go): what one writes the other reads, over NATS.
package cloudevents
