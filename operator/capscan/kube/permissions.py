"""What a user reads where the API server refuses the operator a right: the rule that grants it."""

from dataclasses import dataclass

from capscan.core.errors import MissingPermission
from capscan.core.kube_errors import Forbidden


@dataclass(frozen=True, slots=True)
class RbacRule:
    """One rule of a ClusterRole, as the operator needs it."""

    group: str
    resource: str
    verbs: str
    """With commas, as in a list: `get, list, watch`."""

    def missing(
        self, error: Forbidden, *, verb: str, what: str = "", effect: str = ""
    ) -> MissingPermission:
        """Return the error that says that `verb` is not allowed on `what` (the resource, unless
        named otherwise), what follows from that, and which rule to add.
        """
        return MissingPermission(
            f"The operator may not {verb} {what or self.resource}{effect}. Add to its ClusterRole: "
            f"apiGroups [{self.group}], resources [{self.resource}], verbs [{self.verbs}]. The API "
            f"server said: {error}"
        )
