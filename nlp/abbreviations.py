"""English abbreviations that are written with a dot, by what may come after them."""

from __future__ import annotations

NEVER_ENDING = frozenset(
    """
    mr mrs ms mx dr prof rev hon fr msgr gov sen rep gen col lt maj capt cpt cmdr sgt pvt adm
    brig drs pres supt ft mt messrs mme mlle e.g i.e eg ie cf viz vs v al approx ca
    """.split()  # noqa: SIM905
)
"""No sentence ends with them."""

BEFORE_NUMBERS = frozenset("no nos vol pp p fig figs sec ch eq art par nr ext op".split())  # noqa: SIM905
"""They stand before numbers, and there no sentence ends."""

BEFORE_NAMES = frozenset(
    """
    st ave blvd rd dept univ assn bros jan feb mar apr jun jul aug sep sept oct nov dec mon tue
    tues wed thu thur thurs fri sat sun gen lt col
    """.split()  # noqa: SIM905
)
"""They stand before names and within them."""

ENDING_TOO = frozenset(
    """
    inc ltd co corp plc llc bros jr sr esq ph.d phd m.d b.a m.a u.s u.k u.n u.s.a e.u d.c a.m
    p.m a.d b.c est inst tel ed eds trans min max avg hrs hr mins sec secs lb lbs oz
    """.split()  # noqa: SIM905
)
"""A sentence may end with them; the next word tells."""

SHORT_WORDS = frozenset(
    """
    ad age ago air all any arm art ass ate bad bag bar bed bet big bit box boy bug bus but buy
    bye cab can cap car cat cop cow cry cup cut cv day dad did die do dog dry dvd due ear eat
    egg end eye fab fan far fat fee few fit fix fly for fun gas get go god got gun guy gym had
    hat her here hey him hip his hit hot how ice ill in is it its job joy key kid law leg lie
    lol lot low mad man map me men mom my new no not now odd off oil ok old omg on one or our
    out own pay pc pen pet pie pop pub put rat raw red rid run sad say see set sex she shy sir
    sit six sky so son sum sun tax tea ten tie tip to too top toy try tv two up us use via war
    was way we wet who why win wtf yes yet you zoo
    """.split()  # noqa: SIM905
)
"""Ordinary words that are as short as abbreviations."""

STARTERS = frozenset(
    """
    A About According After All Also Although An And Another Any Are As At Because Before Both
    But By Can Could Did Do Does During Each Even Every For From Had Has Have He Her Here His
    How However I I'd I'll I'm I've If In Instead Is It It's Its Just Last Later Let Many Maybe
    Meanwhile More Moreover Most My Neither Never No Not Nothing Now Of On Once One Only
    Or Other Our Over Perhaps Please She Since So Some Still Such That That's The Their Then
    There There's Therefore These They They're This Those Though Three Through Thus To Today
    Tomorrow Two Under Unlike Until We We're We've Well Were What What's When Where Whether
    Which While Who Why Will With Without Would Yes Yesterday Yet You You're Your
    """.split()  # noqa: SIM905
)
"""Words that often begin a sentence and seldom a name."""
