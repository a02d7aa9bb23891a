//! ServiceProfiles: the type and the validation shared by the command and the admission webhook.
