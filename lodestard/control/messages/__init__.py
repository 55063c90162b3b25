"""What goes over the control socket: the data of each verb (and, for its readers, the envelopes).

Law: version 1 of this format only grows; a member is never renamed and never changes its unit. Money is integer
nano-USD, instants are UTC milliseconds since 1970, ``None`` is "not known" and never stands for zero.
"""

from lodestard.control.envelope import MEDIA_JSON as MEDIA_JSON
from lodestard.control.envelope import MEDIA_NDJSON as MEDIA_NDJSON
from lodestard.control.envelope import VERBS_PATH as VERBS_PATH
from lodestard.control.envelope import VERSION as VERSION
from lodestard.control.envelope import Envelope as Envelope
from lodestard.control.envelope import Message as Message
from lodestard.control.envelope import Refusal as Refusal
from lodestard.control.envelope import VerbInfo as VerbInfo
from lodestard.control.envelope import VerbList as VerbList
from lodestard.control.envelope import write_answer as write_answer
from lodestard.control.envelope import write_refusal as write_refusal
from lodestard.control.messages.advice import TaskFound as TaskFound
from lodestard.control.messages.configuration import ConfigEntry as ConfigEntry
from lodestard.control.messages.configuration import ConfigProblem as ConfigProblem
from lodestard.control.messages.configuration import ConfigReport as ConfigReport
from lodestard.control.messages.configuration import ConfigValues as ConfigValues
from lodestard.control.messages.configuration import ReloadReport as ReloadReport
from lodestard.control.messages.figures import CacheCleared as CacheCleared
from lodestard.control.messages.figures import CachedModel as CachedModel
from lodestard.control.messages.figures import CacheReport as CacheReport
from lodestard.control.messages.figures import CacheWarmed as CacheWarmed
from lodestard.control.messages.figures import CostRow as CostRow
from lodestard.control.messages.figures import CostsReport as CostsReport
from lodestard.control.messages.house import AskItem as AskItem
from lodestard.control.messages.house import DoctorReport as DoctorReport
from lodestard.control.messages.house import Draining as Draining
from lodestard.control.messages.house import Finding as Finding
from lodestard.control.messages.house import LedgerVerification as LedgerVerification
from lodestard.control.messages.house import LogLevel as LogLevel
from lodestard.control.messages.house import Restarted as Restarted
from lodestard.control.messages.house import RestartReport as RestartReport
from lodestard.control.messages.house_status import Figures as Figures
from lodestard.control.messages.house_status import Listener as Listener
from lodestard.control.messages.house_status import Problem as Problem
from lodestard.control.messages.house_status import Status as Status
from lodestard.control.messages.house_status import UpstreamStatus as UpstreamStatus
from lodestard.control.messages.house_status import VersionReport as VersionReport
from lodestard.control.messages.models import ModelRow as ModelRow
from lodestard.control.messages.models import ModelsReport as ModelsReport
from lodestard.control.messages.models import ModelTarget as ModelTarget
from lodestard.control.messages.models import TestPlan as TestPlan
from lodestard.control.messages.models import TestPlans as TestPlans
from lodestard.control.messages.models import TestResult as TestResult
from lodestard.control.messages.requests import AttemptRow as AttemptRow
from lodestard.control.messages.requests import CandidateRow as CandidateRow
from lodestard.control.messages.requests import Explanation as Explanation
from lodestard.control.messages.requests import MeritRow as MeritRow
from lodestard.control.messages.requests import RequestList as RequestList
from lodestard.control.messages.requests import RequestRow as RequestRow
from lodestard.control.messages.requests import ShadowRow as ShadowRow
from lodestard.control.messages.severity import Severity as Severity
from lodestard.domain.errors import Code as Code
from lodestard.domain.money import format_usd as format_usd
from lodestard.domain.near import did_you_mean as did_you_mean
from lodestard.domain.verbs import Argument as Argument
