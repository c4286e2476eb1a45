def rows(findings, code):
    """Give the severity and the subject of one rule's findings, having looked at what holds for every finding."""
    found = [finding for finding in findings if finding.rule.code == code]
    for finding in found:
        assert finding.severity in finding.rule.severities
        assert finding.message
        assert finding.hint
    return [(str(finding.severity), finding.subject) for finding in found]
