package patron

import (
	"fmt"

	plog "github.com/beatlabs/patron/log"
)

// LogFields is [WithLogFields] under its older name.
func LogFields(fields map[string]any) OptionFunc { return WithLogFields(fields) }

// Logger is [WithLogger] under its older name.
func Logger(l plog.Logger) OptionFunc { return WithLogger(l) }

// TextLogger is [WithTextLogger] under its older name.
func TextLogger() OptionFunc { return WithTextLogger() }

// SetupLogging makes the logger that [New] makes for a service of that name and version the default of the process, so that lines before New look like those
// after it. New does it by itself: nobody needs to call SetupLogging.
func SetupLogging(name, version string) error { return SetupLoggingWithFields(name, version, nil) }

// SetupLoggingWithFields is [SetupLogging] with fields for every line; see [WithLogFields].
func SetupLoggingWithFields(name, version string, fields map[string]any) error {
	env, envErr := processEnvironment()
	c, err := newConfig(env, []OptionFunc{WithLogFields(fields)})
	if err := joined(checkName(name), envErr, err); err != nil {
		return err
	}
	logger, err := newLogger(name, versionOr(version), c)
	if err != nil {
		return fmt.Errorf("patron: %w", err)
	}
	installLogger(logger)
	return nil
}
