-- One row per quality check: what it measured, whether it passed, examples of what it found.
select q.client_id, q.check_name, q.detail, q.severity, q.status, q.value, q.threshold, q.numerator, q.denominator, q.message,
       q.examples, q.measured_at
from core.quality_results q;
