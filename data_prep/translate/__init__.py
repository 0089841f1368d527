"""Stage translate: documents cut into spans, translated by an engine, and rebuilt with their structure untouched.

spans.cut -> protect.mask -> an engine -> protect.unmask -> rebuild.rebuild
"""
