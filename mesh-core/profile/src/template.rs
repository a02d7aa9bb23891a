//! The commented ServiceProfile for people who write their own.

use crate::Target;

/// A ServiceProfile with one route as an example and every other field explained in comments.
pub fn template(target: &Target) -> String {
    let Target { service, namespace, .. } = target;
    let authority = target.authority();
    format!(
        r#"### ServiceProfile for {service}.{namespace} ###
apiVersion: linkerd.io/v1alpha2
kind: ServiceProfile
metadata:
  name: {authority}
  namespace: {namespace}
spec:
  # Routes are tried from the top; a request belongs to the first whose condition
  # holds, and to a default route if none does. At least one is required.
  routes:
  - name: '/authors/{{id}}' # the label of this route's metrics (required)

    # Which requests the route is about (required). A condition sets one or more of:
    #   method     the HTTP method, in capitals
    #   pathRegex  a regular expression for the whole path, without the query
    #   all, any   lists of conditions
    #   not        a condition that must not hold
    # If it sets several of them, all must hold.
    condition:
      pathRegex: '/authors/\d+'
      method: POST
      # The same, spelled out:
      # all:
      # - pathRegex: '/authors/\d+'
      # - method: POST
      # Either of two methods:
      # any:
      # - method: PUT
      # - method: POST
      # Everything but reads:
      # not:
      #   method: GET

    # Which responses count as failures, in the success rate and for retries (optional).
    # The first class whose condition holds decides; with none, statuses from 500 are failures.
    responseClasses:
    - condition:
        # Both ends belong to the range. Here too there are all, any and not:
        # any:
        # - status:
        #     min: 500
        #     max: 599
        # - not:
        #     status:
        #       min: 200
        #       max: 499
        status:
          min: 500
          max: 599
      isFailure: true # false, if left out

    # Whether a failed request may be sent again (optional, default false).
    # Only for requests that do no harm when they arrive twice.
    # isRetryable: true

    # How long a request may take, retries included (optional, default 10s).
    # timeout: 250ms

  # How many retries all routes together may add to the load (optional).
  # retryBudget:
  #   retryRatio: 0.2          # retries for each request: here a fifth on top
  #   minRetriesPerSecond: 10  # these are allowed whatever the ratio
  #   ttl: 10s                 # how long a request counts for the ratio
"#
    )
}
