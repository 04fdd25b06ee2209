"""The workflows that a worker runs and a replay checks."""

from workflows.amendment import Amendment
from workflows.enrolment import Enrolment
from workflows.reimbursement import Reimbursement
from workflows.tax_payment import TaxPayment

WORKFLOWS: list[type] = [Enrolment, TaxPayment, Reimbursement, Amendment]
